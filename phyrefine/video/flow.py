"""Coarse motion vectors by block matching, in NumPy: where each block of pixels went."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

BLOCK = 8  # pixels of a block's side
STEP = 4  # pixels between the places of blocks
REACH = 6  # largest displacement searched, in pixels of the small video
# A displacement must lower the difference by this share to be preferred to standing still.
STILL_BONUS = 0.9
# Blocks that differ by less than this many gray levels on average show noise, not motion.
LEAST_DIFFERENCE = 2.0


@frozen(eq=False)
class Flow:
    """Motion from each frame to the next.

    Attributes:
        vectors: float32 [T, h, w, 2]: rows and columns each block moved, in pixels.
        error: float32 [T, h, w]: mean absolute difference of the matched blocks, in gray levels.
    """

    vectors: NDArray[np.float32]
    error: NDArray[np.float32]


def block_flow(first: NDArray[np.float32], second: NDArray[np.float32]) -> Flow:
    """Best match in each frame of ``second`` of every block of the same frame of ``first``.

    Args:
        first: float32 [T, H, W], at least 8 by 8 pixels.
        second: The same shape.
    """
    height, width = first.shape[1:]
    padded = np.pad(second, ((0, 0), (REACH, REACH), (REACH, REACH)), mode="edge")
    error = _block_means(np.abs(first - second))
    moving = error >= LEAST_DIFFERENCE
    best = error * np.float32(STILL_BONUS)
    vectors = np.zeros((*error.shape, 2), np.float32)
    for dy, dx in _shifts():
        top, left = REACH + dy, REACH + dx
        cost = _block_means(np.abs(first - padded[:, top : top + height, left : left + width]))
        better = (cost < best) & moving
        best[better] = error[better] = cost[better]
        vectors[better] = (dy, dx)
    return Flow(vectors, error)


def _shifts() -> list[tuple[int, int]]:
    """Every displacement but none, the shortest first."""
    reach = range(-REACH, REACH + 1)
    every = [(dy, dx) for dy in reach for dx in reach if (dy, dx) != (0, 0)]
    return sorted(every, key=lambda shift: shift[0] ** 2 + shift[1] ** 2)


def _block_means(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over every BLOCK x BLOCK square, at every STEP-th place: [T, h, w]."""
    cells = values[:, : values.shape[1] // STEP * STEP, : values.shape[2] // STEP * STEP]
    shape = (len(cells), cells.shape[1] // STEP, STEP, cells.shape[2] // STEP, STEP)
    sums = cells.reshape(shape).sum(axis=(2, 4))  # a block is two by two of these
    blocks = sums[:, :-1, :-1] + sums[:, 1:, :-1] + sums[:, :-1, 1:] + sums[:, 1:, 1:]
    return np.asarray(blocks / np.float32(BLOCK**2), np.float32)
