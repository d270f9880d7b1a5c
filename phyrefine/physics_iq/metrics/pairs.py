"""Comparing two clips that are streamed or packed, with the numbers of ``metrics``.

Masks are kept as bits, [T, H, ceil(W / 8)], an eighth of the memory; squared errors are counted in
whole numbers, and only where that could round to another fourth decimal in the benchmark's float32
arithmetic is it done in float32 as well.
"""

from __future__ import annotations

from phyrefine.physics_iq.data.decoding import UInt8, opencv
from phyrefine.physics_iq.metrics.measures import PairMetrics, to_unit, unit_mse
from phyrefine.video.masks import MaskTrack, bit_iou
from phyrefine.video.overlap import activity_overlap

_DECIMALS = 1e4  # the scorers keep four decimals of a frame's error


def compare_tracks(a: MaskTrack, b: MaskTrack, errors: tuple[float, ...]) -> PairMetrics:
    """All metrics of two clips from their masks and the errors of their frames."""
    return PairMetrics(
        mse=errors,
        spatiotemporal_iou=tuple(bit_iou(x, y) for x, y in zip(a.bits, b.bits, strict=True)),
        spatial_iou=bit_iou(a.moved, b.moved),
        weighted_spatial_iou=activity_overlap(a.counts / len(a), b.counts / len(b)),
    )


def frame_error(a: UInt8, b: UInt8) -> float:
    """Mean squared error of two BGR frames in [0, 1].

    Exact, unless the official float32 result might round differently to four decimals: then that.
    """
    cv = opencv()
    error = float(cv.norm(a, b, cv.NORM_L2SQR)) / (255.0**2 * a.size)
    # A generous bound on the float32 error: of the division by 255, and of the pairwise sum.
    doubt = 2.5e-7 * error**0.5 + 2e-6 * error
    if abs((error * _DECIMALS) % 1.0 - 0.5) <= doubt * _DECIMALS:
        return unit_mse(to_unit(a), to_unit(b))
    return error
