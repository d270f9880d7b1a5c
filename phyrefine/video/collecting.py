"""Pictures that arrive one at a time, into one array.

A list that is stacked at the end would hold every picture twice, 660 MB for 5 s at 720p.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UInt8Array = NDArray[np.uint8]

# Bytes reserved on the word of a file, which may be wrong; the system hands out what is used of it.
_AT_ONCE = 2 << 30
_GROWTH = 1.25


class Stack:
    """Collects pictures of one size.

    Args:
        expected: How many will come, as far as anyone knows; 0 if nobody does.
    """

    def __init__(self, expected: int = 0) -> None:
        self._expected = expected
        self._array: UInt8Array = np.empty((0, 0, 0, 3), np.uint8)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the first picture."""
        return self._array.shape[1], self._array.shape[2]

    def add(self, picture: UInt8Array) -> None:
        """Copy a picture, uint8 [H, W, 3], of the first one's size."""
        if not self._count:
            room = min(self._expected, _AT_ONCE // picture.nbytes)
            self._array = np.empty((max(room, 1), *picture.shape), np.uint8)
        elif self._count == len(self._array):
            grown = np.empty((int(self._count * _GROWTH) + 8, *picture.shape), np.uint8)
            grown[: self._count] = self._array
            self._array = grown
        self._array[self._count] = picture
        self._count += 1

    def whole(self) -> UInt8Array:
        """All pictures, uint8 [T, H, W, 3], not copied."""
        return self._array[: self._count]
