"""The scene that a command line asks for, and the folder its results go to."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phyrefine.errors import InvalidInputError, RunMismatchError, VideoError
from phyrefine.types import Scenario

if TYPE_CHECKING:
    from phyrefine.video.reading.probing import Facts

log = logging.getLogger(__name__)

VIDEO_HELP = (
    "A video, an animation, a photo (image to video), or a folder of images (with --fps). Left "
    "out, the scene is made from the description alone (text to video)."
)
# A result has at most so many lines and frames per second unless asked: attempts are kept, and a
# minute of 4K at 60 frames per second would fill the memory.
MOST_LINES, MOST_FPS = 720, 30.0


def scenario_of(
    video: Path | None,
    description: str,
    prefix_seconds: float,
    seconds: float,
    fps: float | None,
    size: tuple[int, int] | None,
) -> Scenario:
    """The scene that the command line asks for; only the end of the video is read.

    Raises:
        VideoError: The video is shorter than the prefix, or cannot be read.
        InvalidInputError: A value that makes no scene.
    """
    from phyrefine.video.clip import Clip
    from phyrefine.video.reading.probing import probe

    _refuse_no_text(description)
    given: dict[str, Any] = {"seconds": seconds}
    if video is None:
        given |= {"size": size} if size is not None else {}
        given |= {"fps": fps} if fps is not None else {}
        return Scenario(description, **given)
    facts = probe(video, fps=fps)
    if facts.frames > 1 and facts.seconds < prefix_seconds - 0.5 / facts.fps:
        raise VideoError(
            f"{video} is {facts.seconds:.2f} s long, shorter than --prefix-seconds "
            f"{prefix_seconds:g}. Pass a longer video or a smaller number."
        )
    smaller, slower = _within(facts.size), _at_most(facts.fps)
    rate = fps if fps is not None else slower if facts.frames > 1 else None
    _tell(video, facts, None if size else smaller, None if fps else rate)
    limit = None if smaller == facts.size else smaller
    # Refused before decoding, as the result would be.
    height, width = size or smaller
    Scenario(description, size=(height, width), fps=rate or 24.0, seconds=seconds)
    part: dict[str, Any] = {"start": -prefix_seconds} if facts.frames > 1 else {}
    changed = rate if rate != facts.fps or video.is_dir() else None
    prefix = Clip.read(video, fps=changed, size=limit, **part)
    given |= {"size": size} if size is not None else {}
    given |= {"fps": fps} if fps is not None else {}
    return Scenario(description, prefix, name=video.stem, **given)


def _refuse_no_text(description: str) -> None:
    try:
        description.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"--description holds a character that is no text ({description[error.start]!r} at "
            f"{error.start}): type it anew, in UTF-8."
        ) from error


def _within(size: tuple[int, int]) -> tuple[int, int]:
    """The size, smaller if its shorter side has more than :data:`MOST_LINES` pixels; even."""
    scale = MOST_LINES / min(size)
    if scale >= 1:
        return size
    height, width = (max(2, 2 * round(side * scale / 2)) for side in size)
    return height, width


def _at_most(fps: float) -> float:
    """The rate, or the largest whole part of it that is no more than :data:`MOST_FPS`."""
    parts = 1
    while fps / parts > MOST_FPS * 1.001:
        parts += 1
    return fps / parts


def _tell(
    video: Path, facts: Facts, new_size: tuple[int, int] | None, new_fps: float | None
) -> None:
    size, fps = facts.size, facts.fps
    if new_size is not None and new_size != size:
        log.warning(
            "%s is %dx%d; the result is made at %dx%d. Pass --size HEIGHT WIDTH for another.",
            video, size[1], size[0], new_size[1], new_size[0],
        )  # fmt: skip
    if new_fps is not None and new_fps != fps:
        log.warning(
            "%s has %g frames per second; the result has %g. Pass --fps for another.",
            video, fps, new_fps,
        )  # fmt: skip


def folder_for(scenario: Scenario, out: Path | None) -> Path:
    """The run folder: the one asked for, else one of the scenario's own under ``runs``.

    Raises:
        InvalidInputError: It is a file, or its ``result.mp4`` cannot be written.
        RunMismatchError: It holds the result of another video or description.
    """
    from phyrefine.run.results import folder_name

    mine = folder_name(scenario)
    out = Path("runs") / mine if out is None else out
    refuse_file(out)
    if (out / "result.mp4").is_dir():
        raise InvalidInputError(f"{out / 'result.mp4'} is a folder: pass another --out.")
    others = [path.name for path in (out / "scenarios").glob("*") if path.name != mine]
    if others and (out / "result.mp4").exists():
        raise RunMismatchError(
            f"{out} holds the result of another video, description or length ({others[0]}). Pass "
            "another --out, or leave it out: every input then has a folder of its own."
        )
    return out


def refuse_file(out: Path) -> None:
    """Refuse a run folder that is a file, before anything is made.

    Raises:
        InvalidInputError: It is one.
    """
    if out.exists() and not out.is_dir():
        raise InvalidInputError(f"--out {out} is a file: pass the name of a folder.")
