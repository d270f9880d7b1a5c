"""What one family of diffusers video pipelines is like, as data.

The loop of :mod:`phyrefine.backends.diffusers` reads nothing else. A pipeline that is not in the
table of :mod:`phyrefine.backends.diffusers.families.table` becomes usable with one
:class:`FamilySpec`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from phyrefine.errors import InvalidInputError
from phyrefine.types import FrameGrid

if TYPE_CHECKING:
    from PIL.Image import Image

UInt8Array = NDArray[np.uint8]

TINY = "real classes with tiny random weights, CPU, float32, float16 and bfloat16, diffusers 0.42.1"


@frozen
class Window:
    """One pass of a pipeline.

    Attributes:
        frames: uint8 [k, H, W, 3], the context at the model's rate and size, oldest first; k may
            be 0.
        length: Frames asked of the pipeline.
        fps: The model's rate.
    """

    frames: UInt8Array
    length: int
    fps: float

    @property
    def images(self) -> list[Image]:
        """The context as PIL images."""
        from PIL import Image

        return [Image.fromarray(frame) for frame in self.frames]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the model."""
        return int(self.frames.shape[1]), int(self.frames.shape[2])


@frozen
class Checkpoint:
    """A published checkpoint.

    Attributes:
        id: Its id on the Hugging Face hub.
        billions: Parameters by component, in 1e9, from the model cards or their configs.
    """

    id: str
    billions: Mapping[str, float] = field(factory=dict)


def _same(count: int) -> int:
    return count


def _as_asked(length: int, context: int) -> int:  # noqa: ARG001 - one signature for all families
    return length


def _nothing(window: Window) -> dict[str, Any]:  # noqa: ARG001
    return {}


def _steps(count: int) -> dict[str, Any]:
    return {"num_inference_steps": count}


def _no_options(pipe: Any) -> dict[str, Any]:  # noqa: ARG001
    return {}


def _unchanged(pipe: Any, spec: FamilySpec) -> FamilySpec:  # noqa: ARG001
    return spec


def _ready(pipe: Any) -> None:
    """Nothing beyond diffusers itself is needed."""


@frozen
class FamilySpec:
    """One row of the table of families.

    Attributes:
        name: Short name, as reports and ``phyrefine generators`` print it.
        pipeline: Name of the diffusers class.
        fps: Rate the model was trained at.
        size: (height, width) it was trained at.
        size_multiple: Height and width must be divisible by this.
        fixed_size: It works at ``size`` only; others take the prefix's aspect at the same area.
        grid: Frame counts it takes; ``most`` is the longest pass it is good at.
        contexts: Numbers of context frames it can use, best first; ``(0,)`` is text only.
        condition: The context as arguments of the pipeline.
        text: Arguments of a first pass without any context, for families that also make video
            from text alone; ``None`` for those that need a prefix.
        returned: Frames that come back, from (frames asked for, context frames).
        repeated: Frames at the head of what comes back that are context, from context frames.
        fits: Whether a loaded pipeline of that class belongs to this row.
        adapt: The row corrected by what a loaded pipeline's configuration says.
        own_size: For pipelines that take no height and width: the (height, width) they choose for
            a picture, from (pipeline, (height, width) of the picture).
        options: Further arguments, decided from the loaded pipeline.
        check: Raises when something the pipeline needs is missing, before any work is done.
        steps: Default denoising steps.
        steps_as: The number of steps as arguments of the pipeline.
        guidance: Default ``guidance_scale``.
        denoised_at_once: Clips in one call of the denoiser: 2 where the guided and the unguided
            prediction are one batch. Memory estimates use it.
        unguided: Further arguments that switch guidance off for good, for pipelines where
            ``guidance_scale=1`` alone does not.
        dtypes: Half-precision types the family works in, best first.
        fp32: Components kept in float32 whatever the rest is in.
        negative_prompt: It takes a negative prompt.
        empty_negative: It must be given one, if only an empty one.
        dialect: Name of the dialect it reads, see :mod:`phyrefine.refine.dialects`.
        prompt_tokens: Longest prompt in tokens.
        prompt_words: Longest prompt in words, as told to the rewriter.
        callbacks: It calls back after each denoising step.
        batches: What several seeds in one call may differ in besides their noise: ``"context"``
            where the pipeline takes a list of images, or sees no context; ``"noise"`` where all
            share the context, as the first passes after one prefix do; ``None`` where a call takes
            one seed.
        dispatches_attention: ``set_attention_backend`` has an effect on it.
        scheduler: Scheduler class and settings its authors advise, applied on loading.
        accepts: Classes of sibling pipelines whose checkpoints this class can load.
        checkpoints: Published weights.
        license: License of the weights, in words.
        verified: What was run, on what.
        notes: What a user should know.
    """

    name: str
    pipeline: str
    fps: float
    size: tuple[int, int]
    condition: Callable[[Window], dict[str, Any]] = _nothing
    text: Callable[[Window], dict[str, Any]] | None = field(default=None, kw_only=True)
    size_multiple: int = field(default=16, kw_only=True)
    fixed_size: bool = field(default=False, kw_only=True)
    grid: FrameGrid = field(kw_only=True)
    contexts: tuple[int, ...] = field(default=(1,), kw_only=True)
    returned: Callable[[int, int], int] = field(default=_as_asked, kw_only=True)
    repeated: Callable[[int], int] = field(default=_same, kw_only=True)
    fits: Callable[[Any], bool] = field(default=lambda _: True, kw_only=True)
    adapt: Callable[[Any, FamilySpec], FamilySpec] = field(default=_unchanged, kw_only=True)
    own_size: Callable[[Any, tuple[int, int]], tuple[int, int]] | None = field(
        default=None, kw_only=True
    )
    options: Callable[[Any], Mapping[str, Any]] = field(default=_no_options, kw_only=True)
    check: Callable[[Any], None] = field(default=_ready, kw_only=True)
    steps: int = field(default=50, kw_only=True)
    steps_as: Callable[[int], dict[str, Any]] = field(default=_steps, kw_only=True)
    guidance: float | None = field(default=5.0, kw_only=True)
    denoised_at_once: int = field(default=1, kw_only=True)
    unguided: Mapping[str, Any] = field(factory=dict, kw_only=True)
    dtypes: tuple[Literal["bfloat16", "float16"], ...] = field(default=("bfloat16",), kw_only=True)
    fp32: tuple[str, ...] = field(default=(), kw_only=True)
    negative_prompt: bool = field(default=True, kw_only=True)
    empty_negative: bool = field(default=False, kw_only=True)
    dialect: str = field(default="caption", kw_only=True)
    prompt_tokens: int | None = field(default=512, kw_only=True)
    prompt_words: int | None = field(default=200, kw_only=True)
    callbacks: bool = field(default=True, kw_only=True)
    batches: Literal["context", "noise"] | None = field(default=None, kw_only=True)
    dispatches_attention: bool = field(default=True, kw_only=True)
    scheduler: tuple[str, Mapping[str, Any]] | None = field(default=None, kw_only=True)
    accepts: tuple[str, ...] = field(default=(), kw_only=True)
    checkpoints: tuple[Checkpoint, ...] = field(default=(), kw_only=True)
    license: str = field(default="see the model card", kw_only=True)
    verified: str = field(default="not run", kw_only=True)
    notes: str = field(default="", kw_only=True)

    @property
    def needs_prefix(self) -> bool:
        """Whether it cannot start from text alone."""
        return self.text is None and 0 not in self.contexts

    @property
    def guided(self) -> bool:
        """Whether the negative prompt acts: a guidance of 1 or less leaves it out."""
        return self.guidance is None or self.guidance > 1

    def new(self, length: int, context: int) -> int:
        """New frames that a pass of ``length`` frames after ``context`` frames gives."""
        return self.returned(length, context) - self.repeated(context)

    @property
    def chunk_frames(self) -> int | None:
        """New frames of its longest pass; ``None`` if it makes one pass of any length only."""
        if self.grid.most is None or self.contexts == (0,):
            return None
        return max(1, self.new(self.grid.most, self.contexts[0]))

    def length(self, remaining: int, context: int) -> int:
        """The shortest length of the grid that gives ``remaining`` new frames, else the longest.

        Raises:
            InvalidInputError: Not even the longest pass gives a new frame.
        """
        length = self.grid.up(self.repeated(context) + 1)
        while self.new(length, context) < remaining:
            longer = self.grid.up(length + 1)
            if longer <= length:
                break
            length = longer
        if self.new(length, context) < 1:
            raise InvalidInputError(
                f"{self.name} cannot add frames to {context} context frames in a pass of {length}. "
                "Raise num_frames."
            )
        return length

    def shorter(self, most: int) -> FamilySpec:
        """The same family with passes of at most ``most`` frames (less memory, more chunks).

        Raises:
            InvalidInputError: ``most`` is below the smallest pass of the grid.
        """
        grid = self.grid
        capped = (most - grid.offset) // grid.multiple * grid.multiple + grid.offset
        if capped < max(1, grid.offset):
            raise InvalidInputError(
                f"{self.name} makes {grid.multiple} x k + {grid.offset} frames; num_frames={most} "
                "is too few."
            )
        contexts = tuple(k for k in self.contexts if self.new(capped, k) > 0)
        if not contexts:
            fewest = min(self.contexts)
            least = evolve(self, grid=evolve(grid, least=grid.offset)).length(1, fewest)
            raise InvalidInputError(
                f"{self.name} gives no new frame in a pass of {capped} after {fewest} context "
                f"frames; num_frames={most} is too few. It needs at least {least}."
            )
        return evolve(
            self, grid=evolve(grid, most=capped, least=min(grid.least, capped)), contexts=contexts
        )
