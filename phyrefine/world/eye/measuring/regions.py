"""Connected regions of label images, by runs of rows, without an image library."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]


def label_image(classes: IntArray) -> tuple[IntArray, int]:
    """Number the 4-connected regions of equal class in an int [H, W] image; 0 stays 0.

    Returns:
        int32 [H, W] with regions 1..count, and the count.
    """
    labels, count = label_stack(classes[None], reach=0)
    return labels[0], count


def label_stack(classes: IntArray, *, reach: int = 1) -> tuple[IntArray, int]:
    """Number the regions of equal class in each picture of int [T, H, W]; 0 stays 0.

    Regions do not join over time.

    Args:
        classes: Non-negative class of every pixel; 0 is nothing.
        reach: 1 joins pixels that touch at corners, 0 only those that share an edge.

    Returns:
        int32 [T, H, W] with regions 1..count, and the count.
    """
    count_t, height, width = classes.shape
    flat = np.zeros((count_t * height, width + 2), np.int32)
    flat[:, 1:-1] = classes.reshape(count_t * height, width)
    rows, columns = np.nonzero(np.diff(flat, axis=1))
    values = flat[rows, columns + 1]
    begins = values > 0
    ends = flat[rows, columns] > 0
    run_row, start, stop = rows[begins], columns[begins], columns[ends]
    kinds = values[begins]
    parents = _join(run_row, start, stop, kinds, height, reach)
    numbers = np.zeros(0, np.int32)
    count = 0
    if len(parents):
        _, inverse = np.unique(parents, return_inverse=True)
        numbers = (inverse + 1).astype(np.int32)
        count = int(numbers.max())
    labels = np.zeros(classes.shape, np.int32)
    labels[classes > 0] = np.repeat(numbers, stop - start)
    return labels, count


def _join(
    run_row: NDArray[np.intp],
    start: NDArray[np.intp],
    stop: NDArray[np.intp],
    kinds: IntArray,
    height: int,
    reach: int,
) -> IntArray:
    """Union of runs that touch between rows of one picture; gives each run its root."""
    parents = list(range(len(run_row)))

    def root(run: int) -> int:
        while parents[run] != run:
            parents[run] = parents[parents[run]]
            run = parents[run]
        return run

    lines, firsts, lasts = run_row.tolist(), start.tolist(), stop.tolist()
    sorts = kinds.tolist()
    above = 0
    for run, line in enumerate(lines):
        if line % height == 0:
            continue
        while lines[above] < line - 1:
            above += 1
        other = above
        while lines[other] == line - 1 and firsts[other] < lasts[run] + reach:
            if lasts[other] + reach > firsts[run] and sorts[other] == sorts[run]:
                parents[root(run)] = root(other)
            other += 1
    return np.array([root(run) for run in range(len(parents))], np.int32)


def spread(mask: BoolArray) -> BoolArray:
    """Grow a bool [T, H, W] mask by one pixel in the eight directions."""
    grown = mask.copy()
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    tall = grown.copy()
    grown[:, :, 1:] |= tall[:, :, :-1]
    grown[:, :, :-1] |= tall[:, :, 1:]
    return grown


def shrink(mask: BoolArray) -> BoolArray:
    """Strip one pixel from the edge of a bool [T, H, W] mask (the picture's border stays)."""
    return ~spread(~mask)
