"""What the leader tells its followers."""

from __future__ import annotations

import torch
from attrs import frozen

from phyrefine.magi.model.layout import Row
from phyrefine.magi.weights.memory import Memory
from phyrefine.magi.weights.places import Layout


@frozen
class Load:
    """Load the network and split it.

    Attributes:
        layout: Where the weights lie, the same for all.
        dtype: Dtype of the network.
        plan: How memory is spent.
        threads: torch's threads on a CPU.
    """

    layout: Layout
    dtype: torch.dtype
    plan: Memory
    threads: int


@frozen
class CacheState:
    """A cache as the leader has it before a pass.

    Attributes:
        key: Which one.
        origin: The one it is a copy of, when followers have not made that copy yet.
        chunks: Chunks it holds; followers drop the others.
        offload: Whether its tensors go to host memory.
    """

    key: int
    origin: int | None
    chunks: tuple[int, ...]
    offload: bool


@frozen
class NewCaptions:
    """Captions that followers have not seen; the features follow as a tensor.

    Attributes:
        shape: Of the features.
        segments: For every caption, its ranges of tokens.
        keep: Whether keys and values are kept between passes.
    """

    shape: tuple[int, ...]
    segments: tuple[tuple[tuple[int, int], ...], ...]
    keep: bool


@frozen
class Pass:
    """Make this pass with me; the latents follow as a tensor.

    Attributes:
        shape: Of the latents.
        rows: See `MagiTransformer3DModel.forward`.
        step_size: Likewise.
        cache: The cache, if there is one.
        captions: Key of the captions.
        new_captions: What they are, the first time.
        caches_alive: Caches that are still needed; followers forget the others.
        captions_alive: Captions, likewise.
    """

    shape: tuple[int, ...]
    rows: tuple[Row, ...]
    step_size: float | None
    cache: CacheState | None
    captions: int
    new_captions: NewCaptions | None
    caches_alive: frozenset[int]
    captions_alive: frozenset[int]


@frozen
class End:
    """There are no more passes."""
