"""What goes to a video generator and comes back."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen, validators

from phyrefine.types.aliases import JSON
from phyrefine.types.checks import a, above
from phyrefine.types.texts import Prompt
from phyrefine.video.clip import Clip


@frozen
class FrameGrid:
    """Frame counts a model makes: ``multiple x k + offset``, within bounds.

    Attributes:
        multiple: Step of the grid.
        offset: Remainder.
        most: Longest clip in one pass; ``None`` for no limit.
        least: Shortest clip worth asking for.
    """

    multiple: int = 1
    offset: int = 0
    most: int | None = None
    least: int = 1

    def up(self, frames: int) -> int:
        """The smallest count of the grid that holds ``frames``, capped at ``most``."""
        steps = -(-(max(frames, self.least) - self.offset) // self.multiple)
        count = steps * self.multiple + self.offset
        return count if self.most is None else min(count, self.most)


@frozen
class GeneratorProfile:
    """What a video generator can do, as data.

    Attributes:
        name: Model's name for reports.
        fps: Native rate; ``None`` if any.
        size: Native (height, width); ``None`` if any.
        size_multiple: Height and width must be divisible by this.
        grid: Frame counts it makes in one pass.
        context_frames: Frames of the prefix it truly uses, at its own rate; 0 for text only,
            ``None`` for all of them.
        dialect: Name of the dialect it reads, see :mod:`phyrefine.refine.dialects`, or the path
            of a dialect's file.
        prompt_tokens: Longest prompt in the model's tokens; ``None`` for no limit.
        prompt_words: Longest prompt in words, stated to the rewriter; ``None`` for no limit.
        negative_prompt: Whether it takes a negative prompt.
        streaming: Whether it offers ``stream``.
        default_steps: Denoising steps when the caller asks for none.
        chunk_frames: Frames at its own rate that one prompt of ``Shot.chunk_prompts`` covers;
            ``None`` if it takes one prompt only.
        chunks_from_prefix: Chunks are counted from the first context frame, so that a prefix that
            ends within a chunk leaves only the rest of it to the first prompt.
        needs_prefix: It continues a picture or a video and cannot start from text alone.
    """

    name: str
    fps: float | None = None
    size: tuple[int, int] | None = None
    size_multiple: int = 1
    grid: FrameGrid = FrameGrid()
    context_frames: int | None = None
    dialect: str = "prose"
    prompt_tokens: int | None = None
    prompt_words: int | None = None
    negative_prompt: bool = False
    streaming: bool = False
    default_steps: int | None = None
    chunk_frames: int | None = None
    chunks_from_prefix: bool = False
    needs_prefix: bool = False


@frozen
class Shot:
    """One call of a video generator.

    Attributes:
        prompt: p.
        prefix: V0, whole; the generator takes what it can use, from its end.
        seconds: Length of the continuation.
        fps: Delivered rate.
        size: Delivered (height, width); ``None`` lets the generator choose.
        seed: Noise is drawn from it on the CPU, so that it means the same on every device.
        steps: Denoising steps; ``None`` for the generator's default.
        accepted: Finished chunks of this very continuation, in order, native frames; the
            generator goes on after them and spends nothing on them.
        state: What the generator needs to go on, as it gave it out with the last chunk.
        chunk_prompts: A prompt for each chunk; empty uses ``prompt`` for all.
        chunk_seeds: A seed for each chunk; empty derives them from ``seed``.
        options: Generator-specific settings, JSON values only.
    """

    prompt: Prompt = field(validator=a(Prompt))
    prefix: Clip | None = field(default=None, validator=validators.optional(a(Clip)))
    seconds: float = field(default=5.0, validator=above(0))
    fps: float = field(default=24.0, validator=above(0))
    size: tuple[int, int] | None = None
    seed: int = 0
    steps: int | None = None
    accepted: tuple[Clip, ...] = ()
    state: bytes | None = None
    chunk_prompts: tuple[Prompt, ...] = ()
    chunk_seeds: tuple[int, ...] = ()
    options: Mapping[str, JSON] = field(factory=dict)

    @property
    def frames(self) -> int:
        """Frames to deliver: exactly ``seconds x fps``, rounded."""
        return max(1, round(self.seconds * self.fps))


@frozen
class Chunk:
    """One finished piece of a streamed continuation.

    Attributes:
        clip: The new native frames only.
        state: Opaque bytes to put into ``Shot.state`` to go on after this chunk.
    """

    clip: Clip
    state: bytes | None = None
