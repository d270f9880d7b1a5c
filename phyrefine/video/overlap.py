"""How far two motion masks overlap: the arithmetic that the benchmark and the selectors share.

Masks are bool ``[T, H, W]``, true where something moves. Source of the three measures: "Do
generative video models understand physical principles?", arXiv 2501.09038, section 3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phyrefine.errors import InvalidInputError

Mask = NDArray[np.bool_]


def iou(a: Mask, b: Mask, *, empty: float = 1.0) -> float:
    """Intersection over union of two masks, in [0, 1]; ``empty`` when both are empty."""
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else empty


def spatiotemporal_iou(a: Mask, b: Mask, *, empty: float = 1.0) -> NDArray[np.float64]:
    """Where and when: the mask IoU of every frame.

    Args:
        a: bool ``[T, H, W]``.
        b: The same shape.
        empty: Value of a frame in which both masks are empty.

    Returns:
        float64 ``[T]``.

    Raises:
        InvalidInputError: The shapes differ or are not those of a mask clip.
    """
    require_masks_alike(a, b)
    return np.array([iou(x, y, empty=empty) for x, y in zip(a, b, strict=True)])


def spatial_iou(a: Mask, b: Mask) -> float:
    """Where: IoU of the pixels that moved at any time, for bool ``[T, H, W]`` masks.

    Raises:
        InvalidInputError: The shapes differ or are not those of a mask clip.
    """
    require_masks_alike(a, b)
    return iou(np.any(a, axis=0), np.any(b, axis=0))


def weighted_spatial_iou(a: Mask, b: Mask) -> float:
    """Where and how much: overlap of each pixel's fraction of frames in motion.

    Sum over pixels of the smaller fraction over sum of the larger one; 1 when nothing moves.

    Args:
        a: bool ``[T, H, W]``.
        b: The same shape.

    Raises:
        InvalidInputError: The shapes differ or are not those of a mask clip.
    """
    require_masks_alike(a, b)
    return activity_overlap(a.mean(axis=0), b.mean(axis=0))


def activity_overlap(
    a: NDArray[np.float64], b: NDArray[np.float64], *, empty: float = 1.0
) -> float:
    """Sum of pixel minima over sum of pixel maxima; ``empty`` when both maps are zero."""
    total = float(np.maximum(a, b).sum())
    return float(np.minimum(a, b).sum()) / total if total else empty


def require_masks_alike(a: NDArray[np.generic], b: NDArray[np.generic]) -> None:
    """Refuse masks that cannot be compared.

    Raises:
        InvalidInputError: The shapes differ or are not ``[T, H, W]``.
    """
    if a.shape != b.shape:
        raise InvalidInputError(
            f"The two clips' masks differ in shape: {a.shape} and {b.shape}. "
            "Cut and resize them alike first."
        )
    if a.ndim != 3 or 0 in a.shape:
        raise InvalidInputError(f"The masks must be a non-empty [T, H, W] array, got {a.shape}.")
