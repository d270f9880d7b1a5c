"""The four Physics-IQ metrics of two clips, from frames and motion masks, in NumPy.

Shapes: frames are uint8 ``[T, H, W, 3]`` (any channel order, the metrics do not depend on it),
masks are bool ``[T, H, W]``, true where something moves. Two clips that are compared have equal
frame counts and sizes; bringing them there is the evaluator's work.

Source: "Do generative video models understand physical principles?", arXiv 2501.09038, section 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from phyrefine.errors import InvalidInputError
from phyrefine.video.overlap import (
    Mask,
    spatial_iou,
    spatiotemporal_iou,
    weighted_spatial_iou,
)

Frames = NDArray[np.uint8]

MASK_THRESHOLD = 127
# The benchmark divides in float64 and then keeps float32: a table does both at once.
_UNIT = (np.arange(256, dtype=np.float64) / 255.0).astype(np.float32)


@attrs.frozen
class PairMetrics:
    """How one clip compares with another.

    Attributes:
        mse: Per frame mean squared difference of values in [0, 1]; lower is closer.
        spatiotemporal_iou: Per frame mask IoU, in [0, 1].
        spatial_iou: IoU of "moved at any time", in [0, 1].
        weighted_spatial_iou: Overlap of "fraction of frames in motion", in [0, 1].
    """

    mse: tuple[float, ...]
    spatiotemporal_iou: tuple[float, ...]
    spatial_iou: float
    weighted_spatial_iou: float

    @classmethod
    def of(cls, cells: Mapping[str, Any]) -> PairMetrics:
        """From the dict that ``attrs.asdict`` made, also after a trip through JSON."""
        return cls(
            mse=tuple(cells["mse"]),
            spatiotemporal_iou=tuple(cells["spatiotemporal_iou"]),
            spatial_iou=float(cells["spatial_iou"]),
            weighted_spatial_iou=float(cells["weighted_spatial_iou"]),
        )


def to_unit(frame: Frames) -> NDArray[np.float32]:
    """Scale 8-bit values to [0, 1] with the benchmark's rounding."""
    return _UNIT[frame]


def unit_mse(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Mean squared difference of two frames in [0, 1], in the benchmark's float32 arithmetic."""
    difference = a - b
    return float(np.mean(np.square(difference, out=difference)))


def mean_squared_errors(a: Frames, b: Frames) -> NDArray[np.float64]:
    """Mean squared error of every frame.

    Args:
        a: uint8 ``[T, H, W, 3]``.
        b: The same shape.

    Returns:
        float64 ``[T]``, in [0, 1].

    Raises:
        InvalidInputError: The shapes differ or are not those of a clip.
    """
    _require_alike(a, b)
    return np.array([unit_mse(to_unit(x), to_unit(y)) for x, y in zip(a, b, strict=True)])


def compare(a: Frames, masks_a: Mask, b: Frames, masks_b: Mask) -> PairMetrics:
    """All four metrics of two clips.

    Args:
        a: uint8 ``[T, H, W, 3]``.
        masks_a: bool ``[T, H, W]``.
        b: Frames of the other clip, shaped as ``a``.
        masks_b: Masks of the other clip, shaped as ``masks_a``.

    Raises:
        InvalidInputError: The shapes differ or are not those of clips.
    """
    return PairMetrics(
        mse=_floats(mean_squared_errors(a, b)),
        spatiotemporal_iou=_floats(spatiotemporal_iou(masks_a, masks_b)),
        spatial_iou=spatial_iou(masks_a, masks_b),
        weighted_spatial_iou=weighted_spatial_iou(masks_a, masks_b),
    )


def _floats(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _require_alike(a: Frames, b: Frames) -> None:
    if a.shape != b.shape:
        raise InvalidInputError(
            f"The two clips' frames differ in shape: {a.shape} and {b.shape}. "
            "Cut and resize them alike first."
        )
    if a.ndim != 4 or 0 in a.shape:
        raise InvalidInputError(
            f"The frames must be a non-empty [T, H, W, 3] array, got {a.shape}."
        )
