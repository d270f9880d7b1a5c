"""What a model gets of the prefix.

The *last* seconds of the prefix condition the model: a continuation that starts from the first
frames, as some stock pipelines do, answers another question.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phyrefine.errors import VideoError
from phyrefine.video.clip import Clip

# How the prefix is read, for identities: clips that continue other frames are other clips.
READING = "seam"


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

    The frames lie on the model's own time grid, the last one step before the seam: the frame
    that the model makes next is then the seam's. Counted from the prefix's last frame instead,
    everything made would be ahead of its time: by 1/12 s for a model of 8 fps and a prefix of 24.

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
    indices = _on_grid(prefix, fps)
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


def _on_grid(prefix: Clip, fps: float) -> NDArray[np.int64]:
    """Indices of the frames 1, 2, ... steps of 1/fps before the seam, oldest first."""
    count = int(np.floor(prefix.duration * fps + 1e-6))
    step = prefix.fps / fps
    # The nearest frame; of a slower prefix the one shown at that time, each equally often.
    nearest = 0.5 if step >= 1 else 0.0
    positions = len(prefix) - step * np.arange(count, 0, -1) + nearest
    indices = np.minimum(np.floor(positions + 1e-6), len(prefix) - 1).astype(np.int64)
    on_grid: NDArray[np.int64] = indices[indices >= 0]
    return on_grid


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
