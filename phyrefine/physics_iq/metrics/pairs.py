"""Comparing two clips that are streamed or packed, with the numbers of ``metrics``.

Masks are kept as bits, [T, H, ceil(W / 8)], an eighth of the memory; squared errors are counted in
whole numbers, and only where that could round to another fourth decimal in the benchmark's float32
arithmetic is it done in float32 as well.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import numpy as np
from numpy.typing import NDArray

from phyrefine.physics_iq.data.decoding import UInt8, opencv
from phyrefine.physics_iq.metrics.measures import (
    Mask,
    PairMetrics,
    activity_overlap,
    to_unit,
    unit_mse,
)

_DECIMALS = 1e4  # the scorers keep four decimals of a frame's error


@attrs.frozen(eq=False)
class MaskTrack:
    """Masks of one clip.

    Attributes:
        bits: uint8 [T, H, ceil(W / 8)], ``numpy.packbits`` along x.
        counts: uint16 [H, W]: in how many frames each pixel moves.
    """

    bits: UInt8
    counts: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.bits)


class TrackBuilder:
    """Collects masks, bool [H, W] each, into a :class:`MaskTrack`."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._bits = bytearray()
        self._counts = np.zeros(size, np.uint16)

    def add(self, masks: Iterable[Mask]) -> None:
        """Append masks."""
        for mask in masks:
            self._bits += np.packbits(mask, axis=-1).data
            self._counts += mask

    def build(self) -> MaskTrack:
        """All masks so far; at least one."""
        height, width = self._counts.shape
        bits = np.frombuffer(self._bits, np.uint8).reshape(-1, height, (width + 7) // 8)
        return MaskTrack(bits, self._counts)


def compare_tracks(a: MaskTrack, b: MaskTrack, errors: tuple[float, ...]) -> PairMetrics:
    """All metrics of two clips from their masks and the errors of their frames."""
    return PairMetrics(
        mse=errors,
        spatiotemporal_iou=tuple(_bit_iou(x, y) for x, y in zip(a.bits, b.bits, strict=True)),
        spatial_iou=_bit_iou(_moved(a), _moved(b)),
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


def _moved(track: MaskTrack) -> UInt8:
    return np.packbits(track.counts > 0, axis=-1)


def _bit_iou(a: UInt8, b: UInt8) -> float:
    union = _ones(a | b)
    return _ones(a & b) / union if union else 1.0


def _ones(bits: UInt8) -> int:
    return int.from_bytes(bits.tobytes(), "little").bit_count()
