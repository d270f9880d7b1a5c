"""What files hold: the plain value between reading, clips and writing; and how large it may be."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.errors import VideoError

# Frames of one clip take this much memory at the most: 4 GiB are 5 s of 4K at 30 frames per second.
MAX_BYTES = 4 << 30
UInt8Array = NDArray[np.uint8]
Shape = tuple[int, int, int, int]


class LazyFrames(Protocol):
    """Frames that are not in memory."""

    @property
    def shape(self) -> Shape:
        """(T, H, W, 3)."""

    def __iter__(self) -> Iterator[UInt8Array]:
        """uint8 [H, W, 3], in order."""

    def digest(self, fps: float) -> str | None:
        """The digest of a clip of these frames at that rate, if it is known already."""


Frames = UInt8Array | LazyFrames


@frozen
class Footage:
    """Frames as a file holds them, frames per second, a name for messages.

    Attributes:
        frames: uint8 [T, H, W, 3], RGB, 0..255; or what makes or reads them.
        fps: Frames per second.
        source: File name.
        notes: What was done so that the frames look as a player shows them, in words.
    """

    frames: Frames
    fps: float
    source: str | None
    notes: tuple[str, ...] = ()

    @property
    def described(self) -> str | None:
        """The source with its notes, as ``Clip.source`` has it."""
        if self.source is None or not self.notes:
            return self.source
        return f"{self.source} ({'; '.join(self.notes)})"


def refuse_too_large(
    count: float, size: tuple[int, ...], what: str, remedy: str, *, limit: int = MAX_BYTES
) -> None:
    """Refuse frames that would fill the memory, before any is made.

    Args:
        count: How many frames.
        size: (height, width) in pixels.
        what: Start of the message: who would hold them.
        remedy: What to do instead, a sentence.
        limit: Bytes.

    Raises:
        VideoError: ``count`` frames take more than ``limit`` bytes.
    """
    height, width = size
    if not math.isfinite(count) or count * height * width * 3 > limit:
        needed = count * height * width * 3 / 2**30
        raise VideoError(
            f"{what} would take {needed:.1f} GiB of memory ({count:.0f} frames of "
            f"{width}x{height}); a clip may take {limit / 2**30:.1f} GiB. {remedy}"
        )
