"""How much two clips agree, by the benchmark's own measures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phyrefine.select.agreement.views import MotionView
from phyrefine.video.masks import bit_iou, bit_ious
from phyrefine.video.overlap import activity_overlap
from phyrefine.video.recent import Recent

_NAN = float("nan")


def utility(a: MotionView, b: MotionView) -> float:
    """Mean of the three motion IoUs, less the mean squared error of the frames.

    The three are the spatial, spatiotemporal and weighted spatial IoU of Physics-IQ
    (arXiv 2501.09038, section 3). Frames in which neither clip moves are no evidence, and neither
    are two clips in which nothing moves at all.

    Args:
        a: A clip.
        b: Another of equal size and length.

    Returns:
        -1..1, or NaN when nothing moves in either.
    """
    if not (a.track.counts.any() or b.track.counts.any()):
        return _NAN
    over_time = bit_ious(a.track.bits, b.track.bits, empty=_NAN)
    where = bit_iou(a.track.moved, b.track.moved)
    how_much = activity_overlap(_activity(a), _activity(b))
    ious = (where, float(np.nanmean(over_time)), how_much)
    error = float(np.mean(np.square((a.gray - b.gray) / np.float32(255.0))))
    return float(np.mean(ious)) - error


def pairwise(views: tuple[MotionView, ...]) -> NDArray[np.float64]:
    """Utility of every pair: float64 [N, N], NaN on the diagonal and between equal clips."""
    found = np.full((len(views), len(views)), _NAN)
    for i, one in enumerate(views):
        for j in range(i):
            if views[j].digest != one.digest:
                found[i, j] = found[j, i] = _remembered_utility(one, views[j])
    return found


_remembered: Recent[float] = Recent(4096)


def _remembered_utility(a: MotionView, b: MotionView) -> float:
    """Pools that grow clip by clip, and pools of the same clips, compare each pair once."""
    first, second = sorted((a, b), key=lambda view: view.digest)
    key = (first.digest, second.digest, a.gray.shape, a.threshold)
    return _remembered.get(key, lambda: utility(first, second))


def _activity(view: MotionView) -> NDArray[np.float64]:
    activity: NDArray[np.float64] = view.track.counts / len(view.track)
    return activity
