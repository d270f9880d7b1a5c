"""What the user asks: a scene to continue, and how a run may spend."""

from __future__ import annotations

import enum
import os
from typing import Any, Literal

from attrs import Factory, field, frozen, validators

from phyrefine.errors import InvalidInputError
from phyrefine.types.checks import above, as_tuple, is_whole, one_of, whole_numbers, within
from phyrefine.video.clip import Clip
from phyrefine.video.footage import refuse_too_large


class Mode(enum.StrEnum):
    """What a continuation starts from."""

    VIDEO = "v2v"
    IMAGE = "i2v"
    TEXT = "t2v"


def _check_text(_: object, attribute: Any, value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"{attribute.name} is a text that says something, not {value!r}.")


def _check_name(_: object, attribute: Any, value: object) -> None:
    if value is not None and not isinstance(value, str):
        raise InvalidInputError(f"{attribute.name} is a text, not {value!r}.")


def _check_prefix(_: object, __: object, value: Any) -> None:
    if isinstance(value, str | os.PathLike):
        raise InvalidInputError(f"The prefix is a clip, not a path: Clip.read({str(value)!r}).")
    if value is not None and not isinstance(value, Clip):
        raise InvalidInputError(
            f"The prefix is a Clip, not {type(value).__name__}: Clip.from_array makes one."
        )


def _as_size(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    try:
        height, width = value
        whole = height == int(height) >= 1 and width == int(width) >= 1
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        raise InvalidInputError(
            f"size is (height, width) in pixels, both 1 or more, not {value!r}."
        )
    return int(height), int(width)


def _fps_of(scenario: Scenario) -> float:
    prefix = scenario.prefix
    return prefix.fps if isinstance(prefix, Clip) and len(prefix) > 1 else 24.0


def _size_of(scenario: Scenario) -> tuple[int, int] | None:
    return scenario.prefix.size if isinstance(scenario.prefix, Clip) else None


@frozen
class Scenario:
    """One thing to continue.

    Attributes:
        description: D, one line about the scene.
        prefix: V0. Several frames make it video-to-video, one frame image-to-video, ``None``
            text-to-video.
        seconds: Length of the continuation; one frame at the least.
        fps: Delivered frames per second; by default the prefix's, or 24.
        size: Delivered (height, width) in pixels; by default the prefix's, or the generator's.
        name: Name in reports and folders.
    """

    description: str = field(validator=_check_text)
    prefix: Clip | None = field(default=None, validator=_check_prefix)
    seconds: float = field(default=5.0, validator=above(0), kw_only=True)
    # Factories, not attrs' decorators: type checkers without a plugin see that these are optional.
    fps: float = field(default=Factory(_fps_of, takes_self=True), kw_only=True, validator=above(0))
    size: tuple[int, int] | None = field(
        default=Factory(_size_of, takes_self=True), kw_only=True, converter=_as_size
    )
    name: str | None = field(default=None, validator=_check_name, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if self.seconds * self.fps < 0.5:
            raise InvalidInputError(
                f"{self.seconds:g} seconds at {self.fps:g} frames per second hold no frame: ask "
                f"for at least {1 / self.fps:.3g} seconds."
            )
        if self.size is not None:
            refuse_too_large(
                self.seconds * self.fps,
                self.size,
                "The continuation",
                "Ask for fewer seconds, a lower fps or a smaller size.",
            )

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


def _limit() -> Any:
    return field(default=None, validator=validators.optional(within(0)))


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
        chunks: Chunks made by streaming generators, of all clips and searches together; a clip
            that is made in one piece is one.
    """

    usd: float | None = _limit()
    tokens: int | None = _limit()
    gpu_seconds: float | None = _limit()
    wall_seconds: float | None = _limit()
    calls: int | None = _limit()
    clips: float | None = _limit()
    chunks: int | None = _limit()


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
        watch: Clips of each loop that the critic watches, the first ones made. From two on,
            violations that most of them show go to the rewriter, and the others are left to the
            choice; see :mod:`phyrefine.refine.watching`.
    """

    steps: tuple[int | None, ...] = field(
        default=(None,), converter=as_tuple, validator=whole_numbers(1, or_none=True)
    )
    seeds: tuple[int, ...] = field(
        default=(0,), converter=as_tuple, validator=whole_numbers(-(2**63))
    )
    chain: Literal["own", "rerender"] = field(
        default="rerender", validator=one_of("own", "rerender")
    )
    redraw: bool = field(default=False, kw_only=True)
    watch: int = field(default=1, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if not self.steps or not self.seeds:
            raise InvalidInputError("Candidates needs at least one step count and one seed.")
        made = len(self.seeds) * (len(self.steps) if self.chain == "rerender" else 1)
        if not is_whole(self.watch) or not 1 <= self.watch <= made:
            raise InvalidInputError(
                f"Candidates(watch={self.watch}): each loop makes {made} clips, so the critic can "
                f"watch 1 to {made} of them. Give more seeds, or watch fewer."
            )

    def seeds_of(self, loop: int) -> tuple[int, ...]:
        """The seeds of the loop of that number, from 1; 0 is the plain description's attempt."""
        away = REDRAW_STRIDE * max(0, loop - 1) if self.redraw else 0
        return tuple(seed + away for seed in self.seeds)
