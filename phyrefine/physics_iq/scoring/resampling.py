"""Footage at a rate that was not shipped, as the official program makes it from 30 FPS."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from phyrefine.physics_iq.data.decoding import UInt8


def blend(frames: Iterator[UInt8], count: int, wanted: int) -> Iterator[UInt8]:
    """Linear blends of neighboring frames, both ends pinned, truncated to 8 bit.

    Frame j lies at ``j (count - 1) / (wanted - 1)``: spaced a little wider than the rates say, so
    the result runs slightly fast. The official program then stores it lossily; this does not.

    Args:
        frames: ``count`` frames, uint8 [H, W, 3].
        count: How many there are.
        wanted: How many to make, at least 2.
    """
    here = next(frames)
    after = next(frames, here)
    at = 0
    for index in range(wanted):
        position = index * (count - 1) / (wanted - 1)
        while at < int(position):
            here, at = after, at + 1
            after = next(frames, here)
        weight = position - at
        mixed = np.float32(1 - weight) * here.astype(np.float32)
        mixed += np.float32(weight) * after.astype(np.float32)
        yield mixed.astype(np.uint8)
