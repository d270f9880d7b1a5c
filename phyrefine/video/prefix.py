"""What a model gets of the prefix.

The *last* seconds of the prefix condition the model: a continuation that starts from the first
frames, as some stock pipelines do, answers another question.
"""

from __future__ import annotations

import numpy as np

from phyrefine.errors import VideoError
from phyrefine.video.clip import Clip


def context(
    prefix: Clip,
    *,
    fps: float,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    multiple: int = 1,
    offset: int = 0,
) -> Clip:
    """The end of a prefix as a model wants it.

    The frames are taken at the model's rate counted back from the seam, so that the last one is
    the prefix's last.

    Args:
        prefix: V0.
        fps: The model's rate.
        frames: Most frames the model uses; ``None`` for all.
        size: The model's (height, width); the prefix is fitted (covered and cropped).
        multiple: The count is cut to ``multiple x k + offset``.
        offset: See ``multiple``.

    Raises:
        VideoError: The prefix is shorter than the smallest count the model takes.
    """
    back = np.arange(int(np.floor(prefix.duration * fps + 1e-6)))
    indices = len(prefix) - 1 - np.floor(back * (prefix.fps / fps) + 1e-6).astype(int)
    indices = indices[indices >= 0][::-1]
    available = max(1, len(indices))
    count = available if frames is None else min(frames, available)
    count = (count - offset) // multiple * multiple + offset
    if count < max(1, offset):
        raise VideoError(
            f"The prefix is too short: {prefix.duration:.2f} s give {available} frames at {fps:g} "
            f"fps, and the model needs at least {offset or multiple}. Pass a longer prefix."
        )
    chosen = indices[-count:] if len(indices) else np.array([len(prefix) - 1])
    taken = Clip(prefix.take(chosen), fps, source=prefix.source)
    return taken if size is None or taken.size == size else taken.resize(*size)


def native_size(
    native: tuple[int, int] | None,
    asked: tuple[int, int] | None,
    prefix: Clip | None,
    *,
    multiple: int = 1,
) -> tuple[int, int]:
    """The (height, width) a model works at: its own, else the nearest multiple to what is asked.

    Args:
        native: The model's own size, if it has one.
        asked: The delivered size, if the caller gave one.
        prefix: V0, whose size is used when nothing is asked.
        multiple: Height and width must be divisible by this.

    Raises:
        VideoError: Nothing says how large the video shall be.
    """
    if native is not None:
        return native
    wanted = asked or (prefix.size if prefix is not None else None)
    if wanted is None:
        raise VideoError("This model has no size of its own: give the scenario a size.")
    height, width = (max(multiple, round(side / multiple) * multiple) for side in wanted)
    return height, width
