"""Whether what was measured in a clip can be trusted enough for a grade."""

from __future__ import annotations

import numpy as np

from phyrefine.video.clip import Clip
from phyrefine.world.eye.measuring.case import Case
from phyrefine.world.own_scenes import BUSY, texture

# The picture changes at the seam this many times as much as it ever did before: own scenes 0.6 to
# 1.5 times, the embedded generator's continuations of nine real films 4 to 13 times.
_JUMP = 3.0
# Mean change of a gray level below which nothing is called a jump.
_LEAST = 2.0


def unfollowable(case: Case, clip: Clip, seam: float | None) -> str | None:
    """Why a clip cannot be followed; ``None`` if it can.

    Args:
        case: What was measured.
        clip: What was shown.
        seam: Seconds at which the made part begins; ``None`` if all of it was made.
    """
    if not case.motions:
        return "nothing that moves can be followed in it"
    busy = texture(clip)
    if busy >= BUSY:
        return f"there is texture everywhere ({busy:.2f} of all neighboring pixels differ)"
    jump = _jump(clip, seam)
    if jump is not None:
        return f"the picture jumps at the seam ({jump:.1f} times the change before it)"
    return None


def _jump(clip: Clip, seam: float | None) -> float | None:
    first = round((seam or 0.0) * clip.fps)
    if not 2 <= first < len(clip):
        return None
    gray = clip.frames[: first + 1].astype(np.float32).mean(axis=3)
    change = np.abs(np.diff(gray, axis=0)).mean(axis=(1, 2))
    usual = max(float(change[:-1].max()), 1e-3)
    at_seam = float(change[-1])
    return at_seam / usual if at_seam > _LEAST and at_seam > _JUMP * usual else None
