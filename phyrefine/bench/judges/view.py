"""What a judge sees: frames at its own rate and size, and a VLM set up to show all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from phyrefine import registry
from phyrefine.bench.judges.row import JudgeRow
from phyrefine.options import join_options
from phyrefine.video.clip import Clip

# Above the rate of anything that ``view`` gives, and within what every backend takes.
_SHOW_ALL_FPS = 24.0


def view(row: JudgeRow, clip: Clip) -> Clip:
    """The clip as the judge must see it: at the row's rate or number of frames, and its size."""
    shown = _spread(clip, row.frames) if row.fps is None else _at_rate(clip, row.fps, row.frames)
    if row.pixels is None or shown.height * shown.width <= row.pixels:
        return shown
    scale = math.sqrt(row.pixels / (shown.height * shown.width))
    height, width = (max(2, int(side * scale) // 2 * 2) for side in shown.size)
    return shown.resize(height, width, mode="stretch")


def _spread(clip: Clip, count: int) -> Clip:
    """``count`` frames from the first to the last; all of them if there are fewer."""
    if len(clip) <= count:
        return clip
    chosen = np.linspace(0, len(clip) - 1, count).round().astype(int)
    return Clip(clip.frames[chosen], count / clip.duration, source=clip.source)


def _at_rate(clip: Clip, fps: float, most: int) -> Clip:
    shown = clip if clip.fps <= fps else clip.resample(fps)
    return _spread(shown, most)


def fitted(row: JudgeRow, spec: str) -> tuple[str, tuple[str, ...]]:
    """The name of a VLM with the options a row needs, and what could not be set, in words.

    An option that the user gives stays as it is, and is told where it differs.

    Raises:
        UnknownBackendError: No such VLM.
        InvalidInputError: Options that it does not take.
    """
    maker = registry.maker("vlm", spec)
    given, known = dict(maker.given), maker.options
    added, notes = [], []
    for name, value in _wanted(row).items():
        if name in given:
            if given[name] != _text(value):
                notes.append(f"{name}={given[name]} as you asked; {row.title} wants {_text(value)}")
        elif name in known and known[name].settable:
            added.append(f"{name}={_text(value)}")
        elif name == "max_frames":
            notes.append(f"{spec} has no option {name}: see to it that it shows {row.looks}")
    return join_options(spec, added), tuple(notes)


def _wanted(row: JudgeRow) -> Mapping[str, Any]:
    wanted: dict[str, Any] = {
        "fps": _SHOW_ALL_FPS if row.fps is None else row.fps,
        "max_frames": row.frames,
        "side": None,
        "max_tokens": row.tokens,
    }
    if row.temperature is not None:
        wanted["temperature"] = row.temperature
    return wanted


def _text(value: Any) -> str:
    return "none" if value is None else f"{value:g}"
