"""A Physics-IQ-style score of one clip against two true takes, in NumPy alone.

For small synthetic scenes, where the official masks' blur and 5x5 opening would erase a ball of
eight pixels. The metrics and the formula are the benchmark's (arXiv 2501.09038); the masks are
plainer, so a score says something beside other scores of this function only.
"""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.metrics.measures import PairMetrics, compare
from phyrefine.video.clip import Clip
from phyrefine.video.masks import motion_masks

# Two takes that never overlap would divide by nothing.
LEAST_VARIANCE = 1e-3


@frozen
class PlainScore:
    """A score in 0..100 and what it is made of; IoUs in 0..1, ``mse`` on values in 0..1."""

    score: float
    spatial_iou: float
    spatiotemporal_iou: float
    weighted_spatial_iou: float
    mse: float


def plain_score(made: Clip, take1: Clip, take2: Clip) -> PlainScore:
    """The Original score's formula for one view: IoUs over what two true takes reach, minus MSE.

    Args:
        made: A continuation.
        take1: What truly happened, with as many frames, at the same rate and size.
        take2: The same experiment again; its distance from the first is the physical variance.

    Raises:
        InvalidInputError: Rates, sizes or counts differ.
    """
    for other in (take1, take2):
        if (made.fps, made.frames.shape) != (other.fps, other.frames.shape):
            raise InvalidInputError(f"Clips differ: {made!r} and {other!r}. Resample them alike.")
    clips = (made, take1, take2)
    made_mask, mask1, mask2 = (motion_masks(_gray(clip)) for clip in clips)
    model = compare(take1.frames, mask1, made.frames, made_mask)
    variance = compare(take1.frames, mask1, take2.frames, mask2)
    ratios = [mine / max(true, LEAST_VARIANCE)
              for mine, true in zip(_ious(model), _ious(variance), strict=True)]  # fmt: skip
    mse, true_mse = float(np.mean(model.mse)), float(np.mean(variance.mse))
    raw = 100 * (float(np.mean(ratios)) - (mse - true_mse))
    return PlainScore(min(max(raw, 0.0), 100.0), *_ious(model), mse)


def _gray(clip: Clip) -> NDArray[np.float32]:
    gray: NDArray[np.float32] = clip.frames.astype(np.float32).mean(axis=3)
    return gray


def _ious(metrics: PairMetrics) -> tuple[float, float, float]:
    over_time = float(np.mean(metrics.spatiotemporal_iou))
    return metrics.spatial_iou, over_time, metrics.weighted_spatial_iou
