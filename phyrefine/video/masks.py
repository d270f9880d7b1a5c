"""Motion masks of small gray videos, and masks kept as bits."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.video.overlap import Mask

# The benchmark's running background and difference threshold (arXiv 2501.09038, section 3).
BACKGROUND_SHARE = 0.3
THRESHOLD = 10.0
# A threshold this many standard deviations above the noise is crossed by chance in less than one
# pixel of a whole clip of ordinary length.
NOISE_MARGIN = 5.5
# Above this many gray levels a threshold would hide what really moves.
MOST_THRESHOLD = 60.0


def motion_masks(gray: NDArray[np.float32], threshold: float = THRESHOLD) -> Mask:
    """Where each frame differs from a running background.

    Args:
        gray: float32 [T, H, W], 0..255.
        threshold: Gray levels a pixel must exceed against the background, which the new frame
            has already moved by 30 %.

    Returns:
        bool [T, H, W]; the first frame's mask is empty.
    """
    masks = np.zeros(gray.shape, np.bool_)
    background = gray[0].copy()
    for index in range(1, len(gray)):
        background = (1 - BACKGROUND_SHARE) * background + BACKGROUND_SHARE * gray[index]
        masks[index] = np.abs(gray[index] - background) > threshold
    return masks


def noise_level(gray: NDArray[np.float32]) -> float:
    """Standard deviation of the noise of one pixel, in gray levels.

    From the median absolute difference of neighboring frames, which what moves hardly touches
    as long as it covers less than half of the picture; of all pairs of frames the calmest
    quarter counts.

    Args:
        gray: float32 [T, H, W]; fewer than two frames hold no noise to measure (0.0).
    """
    if len(gray) < 2:
        return 0.0
    differences = np.abs(np.diff(gray, axis=0)).reshape(len(gray) - 1, -1)
    calm = float(np.quantile(np.median(differences, axis=1), 0.25))
    return calm / 0.6745 / float(np.sqrt(2.0))


def threshold_for(noise: float) -> float:
    """The threshold for a noise level: the benchmark's, or higher where the noise asks for it.

    Args:
        noise: Standard deviation in gray levels, as :func:`noise_level` gives it.
    """
    return float(min(max(THRESHOLD, NOISE_MARGIN * noise), MOST_THRESHOLD))


@frozen(eq=False)
class MaskTrack:
    """Masks of one clip, an eighth of their size.

    Attributes:
        bits: uint8 [T, H, ceil(W / 8)], ``numpy.packbits`` along x.
        counts: uint16 [H, W]: in how many frames each pixel moves.
    """

    bits: NDArray[np.uint8]
    counts: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.bits)

    @classmethod
    def of(cls, masks: Mask) -> MaskTrack:
        """From bool [T, H, W]."""
        return cls(np.packbits(masks, axis=-1), masks.sum(axis=0, dtype=np.uint16))

    @property
    def moved(self) -> NDArray[np.uint8]:
        """Bits of the pixels that move at any time, uint8 [H, ceil(W / 8)]."""
        return np.packbits(self.counts > 0, axis=-1)

    @property
    def moving_share(self) -> float:
        """Share of the picture that moves at any time, 0..1."""
        return float((self.counts > 0).mean())


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


def bit_iou(a: NDArray[np.uint8], b: NDArray[np.uint8], *, empty: float = 1.0) -> float:
    """Intersection over union of two masks kept as bits; ``empty`` when both are empty."""
    union = _ones(a | b)
    return _ones(a & b) / union if union else empty


def bit_ious(
    a: NDArray[np.uint8], b: NDArray[np.uint8], *, empty: float = 1.0
) -> NDArray[np.float64]:
    """:func:`bit_iou` of every frame: float64 [T], for uint8 [T, H, ceil(W / 8)]."""
    union = _BITS[a | b].sum(axis=(1, 2), dtype=np.int64)
    both = _BITS[a & b].sum(axis=(1, 2), dtype=np.int64)
    ious = np.full(len(a), empty)
    return np.asarray(np.divide(both, union, out=ious, where=union > 0))


# How many bits are set in each byte; NumPy counts them itself only from version 2 on.
_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)


def _ones(bits: NDArray[np.uint8]) -> int:
    return int.from_bytes(bits.tobytes(), "little").bit_count()
