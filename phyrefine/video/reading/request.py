"""Which part of a file is read, and how large."""

from __future__ import annotations

import math

from attrs import frozen

from phyrefine.errors import VideoError
from phyrefine.video.footage import MAX_BYTES


@frozen
class Part:
    """The part of a file that is wanted.

    Attributes:
        start: Seconds from the beginning, or from the end when negative.
        seconds: Length; ``None`` goes to the end.
        size: (height, width) every picture is fitted to while it is read; ``None`` keeps its own.
        limit: Bytes the frames may take.
        fps: Rate they are resampled to, by time; ``None`` keeps the file's.
    """

    start: float = 0.0
    seconds: float | None = None
    size: tuple[int, int] | None = None
    limit: int = MAX_BYTES
    fps: float | None = None

    def __attrs_post_init__(self) -> None:
        if not _is_number(self.start) or not math.isfinite(self.start):
            raise VideoError(f"start is a number of seconds, not {self.start!r}.")
        if self.seconds is not None and not (
            _is_number(self.seconds) and 0 < self.seconds < math.inf
        ):
            raise VideoError(f"seconds must be above 0, not {self.seconds!r}.")

    @property
    def whole(self) -> bool:
        """Whether nothing is left out."""
        return self.start == 0 and self.seconds is None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


WHOLE = Part()
