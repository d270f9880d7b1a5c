"""How much two clips agree, by the benchmark's own measures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phyrefine.select.agreement.views import MotionView
from phyrefine.video.masks import bit_iou
from phyrefine.video.overlap import activity_overlap

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
    over_time = np.array(
        [bit_iou(x, y, empty=_NAN) for x, y in zip(a.track.bits, b.track.bits, strict=True)]
    )
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
                found[i, j] = found[j, i] = utility(one, views[j])
    return found


def _activity(view: MotionView) -> NDArray[np.float64]:
    activity: NDArray[np.float64] = view.track.counts / len(view.track)
    return activity
