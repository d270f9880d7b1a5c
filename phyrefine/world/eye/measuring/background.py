"""What stands still in a clip, and what differs from it. Motion comes first, colour second.

A temporal median alone takes an object that rests most of the time for a part of the wall. So
pixels that change get the state that continues their unchanging surroundings.

Shapes: T frames, H, W height and width, K candidate states.
"""

from __future__ import annotations

import heapq

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.world.eye.measuring.regions import label_image

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
UInt8Array = NDArray[np.uint8]

_WINDOWS = 8
# Grey levels (of 255) below which a difference may be grain, codec noise or drifting light.
_LEAST_CONTRAST = 14.0
# Contrast in multiples of the frame-to-frame noise (standard deviations).
_NOISE_MULTIPLE = 6.0
_ISLAND_SHARE = 0.04


@frozen(eq=False)
class Background:
    """The unmoving part of a clip.

    Attributes:
        image: float32 [H, W, 3], 0..255.
        noise: Standard deviation of the frame-to-frame noise, grey levels.
        contrast: Difference from which a pixel counts as something else, grey levels.
    """

    image: FloatArray
    noise: float
    contrast: float

    def difference(self, frames: UInt8Array) -> FloatArray:
        """Signed difference float32 [T, H, W, 3], drifting light taken out per frame."""
        parted: FloatArray = frames.astype(np.float32)
        parted -= self.image
        sample = parted[:, ::3, ::3].reshape(len(frames), -1, 3)
        parted -= np.median(sample, axis=1)[:, None, None, :]
        return parted


def find_background(frames: UInt8Array, *, sensitivity: float = 1.0) -> Background:
    """Estimate the background of uint8 [T, H, W, 3] frames of a camera that does not move.

    Args:
        frames: At least one frame.
        sensitivity: Above 1 sees fainter things and more noise.
    """
    noise = _noise(frames)
    contrast = max(_LEAST_CONTRAST, _NOISE_MULTIPLE * noise) / sensitivity
    states = _states(frames)
    usual = np.median(states, axis=0).astype(np.float32)
    changing = strongest(states - usual).max(axis=0) > contrast
    if not changing.any() or changing.mean() > 0.8:
        return Background(usual, noise, contrast)
    return Background(_continue_surroundings(usual, states, changing), noise, contrast)


def strongest(parted: FloatArray) -> FloatArray:
    """Largest difference of the three colours, float32 [..., H, W] of [..., H, W, 3]."""
    # Three whole planes at a time: reducing along the short last axis is several times slower.
    red, green, blue = (np.abs(parted[..., channel]) for channel in range(3))
    return np.asarray(np.maximum(np.maximum(red, green), blue), np.float32)


def _noise(frames: UInt8Array) -> float:
    if len(frames) < 2:
        return 1.0
    picked = np.linspace(0, len(frames) - 2, min(12, len(frames) - 1)).astype(int)
    steps = frames[picked + 1].astype(np.float32) - frames[picked]
    # The median of |difference of two normal draws| is 0.954 standard deviations.
    return max(1.0, float(np.median(np.abs(steps))) / 0.954)


def _states(frames: UInt8Array) -> FloatArray:
    """float32 [K, H, W, 3]: how each pixel usually looked in K stretches of the clip."""
    parts = np.array_split(frames, min(_WINDOWS, len(frames)))
    middles = [np.partition(part, len(part) // 2, axis=0)[len(part) // 2] for part in parts]
    # A thing let go just before the end shows what it hid in the last frame only.
    return np.stack([*middles, frames[0], frames[-1]]).astype(np.float32)


def _continue_surroundings(
    usual: FloatArray, states: FloatArray, changing: BoolArray
) -> FloatArray:
    """Give each changing pixel the state that best continues its neighbours, surest first."""
    known, islands = _surroundings(changing)
    image = usual.copy()
    _grow(image, states, known, changing)
    _repaint_islands(image, states, islands, changing)
    return image


def _surroundings(changing: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Unchanging pixels that belong to the scenery, and islands enclosed by change.

    An object that has moved by less than its own size leaves an island that it always covers.
    """
    labels, count = label_image((~changing).astype(np.int32))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    scenery = sizes >= _ISLAND_SHARE * labels.size
    scenery[np.unique(rim)] = True
    scenery[0] = False
    known = scenery[labels]
    return known, ~changing & ~known


def _neighbours(row: int, column: int, height: int, width: int) -> list[tuple[int, int]]:
    around = ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
    return [(r, c) for r, c in around if 0 <= r < height and 0 <= c < width]


def _grow(image: FloatArray, states: FloatArray, known: BoolArray, changing: BoolArray) -> None:
    height, width = known.shape
    heap: list[tuple[float, int, int, int]] = []
    done = known.copy()

    def offer(row: int, column: int) -> None:
        for r, c in _neighbours(row, column, height, width):
            if changing[r, c] and not done[r, c]:
                misfit = np.abs(states[:, r, c] - image[row, column]).sum(axis=1)
                best = int(misfit.argmin())
                heapq.heappush(heap, (float(misfit[best]), r, c, best))

    edge = known & _touches(changing)
    for row, column in np.argwhere(edge):
        offer(int(row), int(column))
    while heap:
        _, row, column, best = heapq.heappop(heap)
        if done[row, column]:
            continue
        done[row, column] = True
        image[row, column] = states[best, row, column]
        offer(row, column)


def _touches(mask: BoolArray) -> BoolArray:
    near = np.zeros_like(mask)
    near[1:] |= mask[:-1]
    near[:-1] |= mask[1:]
    near[:, 1:] |= mask[:, :-1]
    near[:, :-1] |= mask[:, 1:]
    return near


def _repaint_islands(
    image: FloatArray, states: FloatArray, islands: BoolArray, changing: BoolArray
) -> None:
    labels, count = label_image(islands.astype(np.int32))
    for label in range(1, count + 1):
        island = labels == label
        ring = changing & _touches(island)
        if not ring.any():
            continue
        behind = image[ring]
        other = np.abs(states[:, ring] - behind).sum(axis=2).argmax(axis=0)
        before = states[:, ring][other, np.arange(len(other))]
        own, wall, thing = (np.median(part, axis=0) for part in (image[island], behind, before))
        if np.abs(own - thing).sum() < np.abs(own - wall).sum():
            image[island] = wall
