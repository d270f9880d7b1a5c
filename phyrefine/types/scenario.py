"""What the user asks: a scene to continue, and how a run may spend."""

from __future__ import annotations

import enum
from typing import Literal

from attrs import field, frozen, validators

from phyrefine.errors import InvalidInputError
from phyrefine.video.clip import Clip


class Mode(enum.StrEnum):
    """What a continuation starts from."""

    VIDEO = "v2v"
    IMAGE = "i2v"
    TEXT = "t2v"


@frozen
class Scenario:
    """One thing to continue.

    Attributes:
        description: D, one line about the scene.
        prefix: V0. Several frames make it video-to-video, one frame image-to-video, ``None``
            text-to-video.
        seconds: Length of the continuation.
        fps: Delivered frames per second; by default the prefix's, or 24.
        size: Delivered (height, width) in pixels; by default the prefix's, or the generator's.
        name: Name in reports and folders.
    """

    description: str = field(validator=validators.min_len(1))
    prefix: Clip | None = None
    seconds: float = field(default=5.0, validator=validators.gt(0), kw_only=True)
    fps: float = field(kw_only=True, validator=validators.gt(0))
    size: tuple[int, int] | None = field(kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    @fps.default
    def _default_fps(self) -> float:
        return self.prefix.fps if self.prefix is not None and len(self.prefix) > 1 else 24.0

    @size.default
    def _default_size(self) -> tuple[int, int] | None:
        return self.prefix.size if self.prefix is not None else None

    @property
    def mode(self) -> Mode:
        """Whether a video, an image or only text conditions the model."""
        if self.prefix is None:
            return Mode.TEXT
        return Mode.VIDEO if len(self.prefix) > 1 else Mode.IMAGE

    @property
    def frames(self) -> int:
        """Frames to deliver: exactly ``seconds x fps``, rounded."""
        return max(1, round(self.seconds * self.fps))


@frozen
class Budget:
    """Limits of a run; ``None`` is no limit. Checked before and after every call.

    Attributes:
        usd: US dollars.
        tokens: Tokens of all kinds.
        gpu_seconds: Seconds inside video generators.
        wall_seconds: Seconds since the run began.
        calls: Calls of any backend.
        clips: Clips made, in whole continuations: a chunk counts as the part of its clip that it
            is.
    """

    usd: float | None = None
    tokens: int | None = None
    gpu_seconds: float | None = None
    wall_seconds: float | None = None
    calls: int | None = None
    clips: float | None = None


# Far enough apart that seeds counted from 0 never meet those of another loop.
REDRAW_STRIDE = 1000


@frozen
class Candidates:
    """What each loop generates.

    Attributes:
        steps: Denoising steps to try; ``None`` inside is the generator's default.
        seeds: Seeds to try. The same in every loop, so that only the prompt changes; see
            ``redraw``.
        chain: ``"own"``: every step count has its own loop, whose critic watches its own clips;
            ``"rerender"``: one loop at ``steps[0]``, the other clips re-rendered from its
            prompts.
        redraw: Every loop after the first draws noise of its own (1000 is added to each seed per
            loop). What becomes better may then be luck as well as the prompt, and an ensemble has
            more to choose from.
    """

    steps: tuple[int | None, ...] = (None,)
    seeds: tuple[int, ...] = (0,)
    chain: Literal["own", "rerender"] = "rerender"
    redraw: bool = field(default=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if not self.steps or not self.seeds:
            raise InvalidInputError("Candidates needs at least one step count and one seed.")

    def seeds_of(self, loop: int) -> tuple[int, ...]:
        """The seeds of the loop of that number, from 1; 0 is the plain description's attempt."""
        away = REDRAW_STRIDE * max(0, loop - 1) if self.redraw else 0
        return tuple(seed + away for seed in self.seeds)
