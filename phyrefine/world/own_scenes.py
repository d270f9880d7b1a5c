"""Whether a film could be one of the embedded world's own: small, drawn, smooth, 4:3."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phyrefine.video.clip import Clip

# Share of neighboring pixels that differ by more than a few gray levels, in a picture 64 px wide.
# Own scenes: 0.02 to 0.07. Nine films of real pendulums and balls: 0.07 to 0.28, one below 0.08.
BUSY = 0.08
_STEP = 6.0
_SIDE = 64
_ASPECT = 4 / 3


def texture(clip: Clip) -> float:
    """Share of neighboring pixels that differ visibly, 0..1, in a picture at most 64 px wide.

    Args:
        clip: Any clip; at most eight of its frames are looked at.
    """
    few = Clip(clip.take(range(0, len(clip), max(1, len(clip) // 8))), clip.fps)
    longer = max(few.size)
    if longer > _SIDE:
        height, width = (max(8, round(side * _SIDE / longer)) for side in few.size)
        few = few.resize(height, width, mode="stretch")
    gray: NDArray[np.float32] = few.frames.astype(np.float32).mean(axis=3)
    across = np.abs(np.diff(gray, axis=2)) > _STEP
    down = np.abs(np.diff(gray, axis=1)) > _STEP
    return float(across.mean() + down.mean()) / 2


def is_own(prefix: Clip | None) -> bool:
    """Whether the embedded models were made for a scene that begins like this."""
    if prefix is None:
        return False
    aspect = prefix.width / prefix.height
    return abs(aspect / _ASPECT - 1.0) < 0.1 and texture(prefix) < BUSY


def disclaimer(prefix: Clip | None) -> str | None:
    """What the embedded models have to say about themselves in a scene; ``None`` in their own."""
    if is_own(prefix):
        return None
    return (
        "The embedded backends cannot judge this clip: they know small drawn scenes only, so "
        "their videos, critiques and scores say nothing about it."
    )
