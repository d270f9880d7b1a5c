"""A page of a run that is going on; the browser loads it anew until the run has ended."""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import Any

from attrs import frozen

from phyrefine.errors import VideoError
from phyrefine.report.html import page, save
from phyrefine.report.media import Media, video
from phyrefine.run.following.follower import Progress
from phyrefine.run.following.progress import SeenClip
from phyrefine.video.clip import Clip

log = logging.getLogger(__name__)

CLIP_PIXELS = 256
RELOAD_SECONDS = 5
STATES = ("done", "running", "failed", "stopped", "waiting")


@frozen
class LiveClip:
    """A clip of the page: what is known of it, and its video if that can be read."""

    seen: SeenClip
    media: Media | None


def write_progress(progress: Progress, path: str | Path, *, reload_seconds: float = 0.0) -> Path:
    """Write the page.

    Args:
        progress: Where the run stands.
        path: The ``.html`` file; written aside and renamed.
        reload_seconds: A browser loads the page anew after so many seconds, five at the least;
            never for 0, and never once the run has ended.

    Raises:
        InvalidInputError: ``path`` is a folder.
    """
    return save(render_progress(progress, reload_seconds=reload_seconds), path)


def render_progress(progress: Progress, *, reload_seconds: float = 0.0) -> str:
    """The page :func:`write_progress` writes."""
    total = sum(progress.counts.values())
    reload = (
        max(RELOAD_SECONDS, round(reload_seconds)) if reload_seconds and progress.working else 0
    )
    context: dict[str, Any] = {
        "name": f"{progress.kind} {progress.folder.resolve().name}",
        "progress": progress,
        "state": state_words(progress),
        "total": total,
        "shares": [(state, progress.counts.get(state, 0)) for state in STATES],
        "clips": [LiveClip(clip, _media(clip.file)) for clip in progress.clips],
        "scenarios": [one for one in progress.scenarios if one[1].state != "done"],
        "reload_seconds": reload,
    }
    return page("watch.html.jinja", "watch", **context)


def state_words(progress: Progress) -> str:
    """Whether somebody works there, in a word."""
    words = {"alive": "running", "elsewhere": "running", "dead": "killed", "nobody": "ended"}
    return words[progress.presence]


@functools.lru_cache(maxsize=32)
def _media(path: Path | None) -> Media | None:
    """A clip's video, made once: files of clips never change."""
    if path is None:
        return None
    try:
        return video(Clip.read(path), pixels=CLIP_PIXELS)
    except VideoError as error:
        log.warning("The page shows no video of %s: %s", path, error)
        return None
