"""Notes of attempts whose clips were made in batches."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from phyrefine.run.store.kept import Together
from phyrefine.run.store.stored import StoredGenerator
from phyrefine.types import Attempt


def with_batches(generators: Sequence[StoredGenerator], attempt: Attempt) -> Attempt:
    """The attempt with a note for the clips that shared a call: how many, and if it was reduced.

    Such clips may differ by rounding from those made alone, so a reader is told.
    """
    seeds: dict[Together, list[int]] = {}
    for one in attempt.candidates:
        told = (generator.made_together(one.clip) for generator in generators)
        how = next((it for it in told if it is not None), None)
        if how is not None:
            seeds.setdefault(how, []).append(one.seed)
    notes = tuple(
        f"clips of seeds {', '.join(map(str, numbers))} were {how}"
        for how, numbers in seeds.items()
    )
    return evolve(attempt, notes=(*attempt.notes, *notes)) if notes else attempt
