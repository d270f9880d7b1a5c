"""Clips of several shots, in batches where the generator makes them together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from phyrefine.protocols import batch_size_for
from phyrefine.types import Shot
from phyrefine.video.clip import Clip


def generate_each(generator: Any, shots: Sequence[Shot]) -> Iterator[Clip]:
    """The clips in order, each given out once it is there.

    Our wrappers have a method of this name, which passes the shots on; the one with the store
    forms the batches. A generator without wrappers gets batches as large as it says it takes.

    Args:
        generator: Any video generator, wrapped or not.
        shots: They differ only in their seed.
    """
    own = getattr(generator, "generate_each", None)
    if callable(own):
        yield from own(shots)
        return
    left = list(shots)
    while left:
        most = batch_size_for(generator, left[0])
        batch, left = left[:most], left[most:]
        if len(batch) == 1:
            yield generator.generate(batch[0])
        else:
            yield from generator.generate_many(batch)
