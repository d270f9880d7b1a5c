"""How many clips fit into one call of a pipeline, beside its weights."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from attrs import define, evolve, field, frozen

from phyrefine.backends.continuing.chunking import frames_needed
from phyrefine.backends.diffusers.estimates import BYTES, GIB, MemoryEstimate, estimate_parts
from phyrefine.backends.diffusers.families.spec import FamilySpec
from phyrefine.backends.diffusers.memory import DENOISERS, MemoryMode, choose_device
from phyrefine.backends.diffusers.passes import Runner
from phyrefine.backends.diffusers.sizing import parts
from phyrefine.errors import InvalidInputError
from phyrefine.types import Shot

log = logging.getLogger(__name__)

# Beyond this a GPU gains little, and one failure costs many clips.
MOST = 16
# Of the free memory: estimates leave out work space of libraries and gaps between tensors.
SHARE = 0.85
FLOAT32 = 4


@frozen
class Fitting:
    """An estimate of how many clips fit at once.

    Attributes:
        clips: 1 to ``MOST``.
        each: Estimated GiB that one further clip takes.
        free: GiB that were free beside what the device held already.
    """

    clips: int
    each: float
    free: float

    def __str__(self) -> str:
        plural = "clip" if self.clips == 1 else "clips"
        return (
            f"{self.clips} {plural} in one call: {self.each:.2g} GiB for each further one "
            f"(estimated), {self.free:.2g} GiB free"
        )


@define
class BatchSize:
    """How many seeds go into one call of one pipeline.

    Attributes:
        asked: A number, or ``"auto"`` for as many as fit.
        spec: The pipeline's family.
        runner: Calls the pipeline; knows if memory ran out.
    """

    asked: int | Literal["auto"]
    spec: FamilySpec
    runner: Runner
    _found: dict[tuple[tuple[int, int], int], int] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        if self.asked != "auto" and not (isinstance(self.asked, int) and self.asked >= 1):
            raise InvalidInputError(f"batch_size must be 1 or more, or 'auto', not {self.asked!r}.")
        if self.asked != 1 and not self.spec.batches:
            log.warning(
                "batch_size=%s does nothing: %s takes one seed in a call.",
                self.asked, self.spec.name,
            )  # fmt: skip

    def fitting(self, shot: Shot, size: tuple[int, int]) -> int:
        """Seeds in one call for shots like this one, whose passes are of (height, width)."""
        if not self.spec.batches or shot.chunk_seeds:
            return 1
        most = self._estimated(shot, size) if self.asked == "auto" else self.asked
        return most if self.runner.at_once is None else min(most, self.runner.at_once)

    def _estimated(self, shot: Shot, size: tuple[int, int]) -> int:
        spec, runner = self.spec, self.runner
        frames = spec.length(frames_needed(shot, spec.fps), spec.contexts[0])
        if (size, frames) not in self._found:
            free = free_memory(choose_device(runner.device or runner.pipe.device))
            found = fitting(
                runner.pipe, spec, mode=runner.mode, size=size, frames=frames, free=free
            )
            log.info("%s at %dx%d, %d frames: %s.", spec.name, size[1], size[0], frames, found)
            self._found[size, frames] = found.clips
        return self._found[size, frames]


def groups(shots: Sequence[Shot], most: Callable[[Shot], int]) -> Iterator[list[Shot]]:
    """Neighbors that differ only in their seed, at most ``most(shot)`` of them."""
    group: list[Shot] = []
    for shot in shots:
        alike = (
            group
            and len(group) < most(group[0])
            and not (shot.accepted or shot.chunk_seeds)
            and evolve(shot, seed=group[0].seed) == group[0]
        )
        if group and not alike:
            yield group
            group = []
        group.append(shot)
    if group:
        yield group


def fitting(
    pipe: Any,
    spec: FamilySpec,
    *,
    mode: MemoryMode | None,
    size: tuple[int, int],
    frames: int,
    free: float,
) -> Fitting:
    """How many clips of one prompt fit into one call.

    Working memory is that of ``phyrefine doctor``: the denoiser's from its width and tokens, the
    decoder's by running it on tensors without data. Both grow with the number of clips, but for
    a decoder that takes one at a time (slicing, which every mode but ``fast`` turns on).

    Args:
        pipe: The pipeline, loaded.
        spec: Its family.
        mode: Memory mode it is in; ``None`` is taken for ``"fast"``.
        size: (height, width) of the pass.
        frames: Frames of the pass.
        free: GiB that are free now.
    """
    estimate = estimate_parts(
        spec.name, spec, _parts(pipe), dtype=_dtype(pipe), size=size, num_frames=frames
    )
    vae = getattr(pipe, "vae", None)
    tiled = getattr(vae, "use_tiling", False)
    decoding = estimate.work["decoding in tiles" if tiled else "decoding"]
    sliced = bool(getattr(vae, "use_slicing", False))
    result = frames * size[0] * size[1] * 3 * FLOAT32 / GIB
    beside_denoiser, beside_decoder = _moving(estimate, mode)

    def needed(clips: int) -> float:
        decoded = decoding if sliced else clips * decoding
        denoised = beside_denoiser + clips * estimate.work["denoising"]
        return max(denoised, beside_decoder + decoded) + clips * result

    fit = [clips for clips in range(1, MOST + 1) if needed(clips) <= SHARE * free]
    return Fitting(max(fit, default=1), needed(MOST) / MOST, free)


def free_memory(device: Any) -> float:
    """GiB of a ``torch.device`` that a call could take: what is free, and torch's own cache."""
    import torch

    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return float(free + cached) / GIB
    if device.type == "mps":
        taken = torch.mps.current_allocated_memory()
        return float(torch.mps.recommended_max_memory() - taken) / GIB
    import psutil  # comes with accelerate

    return float(psutil.virtual_memory().available) / GIB


def _moving(estimate: MemoryEstimate, mode: MemoryMode | None) -> tuple[float, float]:
    """GiB of weights that are not on the device yet: beside the denoiser, beside the decoder."""
    weights, work = estimate.weights, estimate.work
    if mode == "balanced":
        denoisers = [size for name, size in weights.items() if name in DENOISERS]
        return max(denoisers, default=0.0), weights.get("vae", 0.0)
    if mode == "tight":
        layers = estimate.peak["tight"] - max(work["denoising"], work["decoding in tiles"])
        return layers, layers
    return 0.0, 0.0


def _parts(pipe: Any) -> list[parts.Part]:
    """The components; the decoder on the ``meta`` device, where it can run without data."""
    import torch

    found = []
    for name, module in pipe.components.items():
        if not isinstance(module, torch.nn.Module):
            continue
        part = parts.part_from(name, module)
        if name == "vae":
            with torch.device("meta"):
                empty: Any = type(module).from_config(module.config)  # type: ignore[attr-defined]
            part = parts.Part(name, part.parameters, part.largest, empty)
        found.append(part)
    return found


def _dtype(pipe: Any) -> str:
    name = str(pipe.transformer.dtype).removeprefix("torch.")
    return name if name in BYTES else "float32"
