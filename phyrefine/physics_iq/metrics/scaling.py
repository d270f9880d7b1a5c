"""Decoded frames at the size the metrics work at.

At exactly 4:1, the benchmark's own scale, a bilinear resize looks at the middle two of each four
rows and columns only. There frames are converted in strips that stay in the processor's cache,
and rows nobody looks at are left out; the bytes are those of the whole way.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import attrs
import av
import numpy as np

from phyrefine.physics_iq.data.decoding import BgrReader, UInt8, opencv, planes

_ROWS, _FEWEST = 60, 8  # rows of the result in one strip: at the most, at the least
_MASK_BYTES = 160_000  # of a mask file in one strip: few, as strips without motion are passed over
_MOST_MADE = 4  # rows of the result in a block that is resized alone
_HALVED = {"yuv420p": "yuv422p", "yuvj420p": "yuvj422p"}  # the format of a frame of half the rows


class SmallReader:
    """Turns decoded frames into small BGR arrays, and into gray ones of their own size.

    Args:
        size: (height, width) the metrics work at.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._reader = BgrReader()
        self._strip: _Strip | None = None
        self._gray: UInt8 | None = None
        self._rows = _strip_rows(size[0], _ROWS)

    def read(self, frame: Any) -> UInt8:
        """A frame, resized: BGR, uint8 [h, w, 3]."""
        form = frame.format.name
        if not (self._fits(frame) and _keeps_bytes(form, frame.width)):
            return scale(self._reader.read(frame), self._size)
        whole, strip = planes(frame), self._strip_for(frame, _HALVED[form], 2)
        small = np.empty((*self._size, 3), np.uint8)
        for top in range(0, self._size[0], self._rows):
            _fill_half(strip.planes, whole, top)
            self._resize(self._reader.read(strip.picture), small, top)
        return small

    def read_with_gray(self, frame: Any) -> tuple[UInt8, UInt8]:
        """A frame, resized, as in :meth:`read`; and its gray at its own size, uint8 [H, W].

        The gray array is the next call's too.
        """
        if not self._fits(frame):
            bgr = self._reader.read(frame)
            return scale(bgr, self._size), to_gray(bgr)
        whole, strip = planes(frame), self._strip_for(frame, frame.format.name, 4)
        small = np.empty((*self._size, 3), np.uint8)
        if self._gray is None:
            self._gray = np.empty((frame.height, frame.width), np.uint8)
        gray = self._gray
        cv = opencv()
        for top in range(0, self._size[0], self._rows):
            for part, pixels, rows in zip(strip.planes, whole, (4, 2, 2), strict=True):
                part[:] = pixels[rows * top : rows * top + len(part)]
            bgr = self._reader.read(strip.picture)
            cv.cvtColor(bgr, cv.COLOR_BGR2GRAY, dst=gray[4 * top : 4 * top + len(bgr)])
            self._resize(bgr, small, top)
        return small, gray

    def _fits(self, frame: Any) -> bool:
        height, width = self._size
        return bool(
            frame.format.name in _HALVED
            and (frame.height, frame.width) == (4 * height, 4 * width)
            and self._rows >= _FEWEST
            and not frame.rotation
            and not frame.interlaced_frame
        )

    def _strip_for(self, frame: Any, form: str, rows: int) -> _Strip:
        """The strip to convert in, ``rows`` of the frame for one of the result."""
        if self._strip is None or self._strip.picture.format.name != form:
            picture = av.VideoFrame(frame.width, rows * self._rows, form)
            self._strip = _Strip(picture, planes(picture))
        self._strip.picture.colorspace = frame.colorspace
        self._strip.picture.color_range = frame.color_range
        return self._strip

    def _resize(self, strip: UInt8, small: UInt8, top: int) -> None:
        _resize_into(strip, small[top : top + self._rows])


@attrs.frozen(eq=False)
class _Strip:
    picture: Any
    planes: list[UInt8]


class GrayReader:
    """Turns frames of mask files into gray arrays: all the scorer uses of them.

    Args:
        size: (height, width) to resize to; ``None`` keeps a frame's own size.
    """

    def __init__(self, size: tuple[int, int] | None = None) -> None:
        self._size = size
        self._reader = BgrReader()

    def read(self, frame: Any) -> UInt8:
        """The blue channel, uint8 [h, w].

        A gray file's luma says it all, through a table; anything else is converted whole.
        """
        if _is_plain_gray(frame):
            return self.read_luma(frame)
        return self._scaled(np.ascontiguousarray(self._reader.read(frame)[..., 0]))

    def read_luma(self, frame: Any) -> UInt8:
        """The same of a frame of even height whose chroma is neutral everywhere."""
        luma, table = planes(frame)[0], _luma_to_blue(frame.format.name)
        block = None if self._size is None else _block(luma.shape, self._size)
        if self._size is None or block is None:
            return self._scaled(opencv().LUT(luma, table))
        small, times = np.zeros(self._size, np.uint8), _blocks(luma.shape, block)
        for at in range(0, luma.shape[0] // block.read, times):
            part = luma[at * block.read : (at + times) * block.read]
            seen = [part[row :: block.read] for row in block.seen] or [part]
            if not table[max(int(rows.max()) for rows in seen)]:
                continue  # black as far as anyone looks, as most of a mask is
            strip = np.empty((len(seen) * len(seen[0]), luma.shape[1]), np.uint8)
            for row, rows in enumerate(seen):
                opencv().LUT(rows, table, dst=strip[row :: len(seen)])
            _resize_into(strip, small[at * block.made : (at + times) * block.made])
        return small

    def _scaled(self, gray: UInt8) -> UInt8:
        return gray if self._size is None else scale(gray, self._size)


def to_gray(frame: UInt8) -> UInt8:
    """Gray, uint8 [H, W], of a BGR frame."""
    cv = opencv()
    gray: UInt8 = cv.cvtColor(frame, cv.COLOR_BGR2GRAY)
    return gray


def scale(frame: UInt8, size: tuple[int, int]) -> UInt8:
    """OpenCV's bilinear resize (no antialiasing) to (height, width); a copy-free no-op if alike."""
    if frame.shape[:2] == size:
        return frame
    cv = opencv()
    scaled: UInt8 = cv.resize(frame, (size[1], size[0]), interpolation=cv.INTER_LINEAR)
    return scaled


def _resize_into(pixels: UInt8, small: UInt8) -> None:
    cv = opencv()
    cv.resize(pixels, small.shape[1::-1], dst=small, interpolation=cv.INTER_LINEAR)


@functools.cache
def _strip_rows(height: int, most: int) -> int:
    # Strips of one height, as another one would set the converter up anew.
    return max(rows for rows in range(1, most + 1) if height % rows == 0)


@attrs.frozen
class _Block:
    """The fewest rows that a resize makes of whole rows, none of which another block looks at.

    Attributes:
        read: Rows it is made of.
        made: Rows made.
        seen: Those of the rows that are looked at; empty for all.
    """

    read: int
    made: int
    seen: tuple[int, ...] = ()


@functools.cache
def _block(whole: tuple[int, int], size: tuple[int, int]) -> _Block | None:
    """The block of a resize; ``None`` where only the whole picture gives the whole's bytes."""
    if whole == (4 * size[0], 4 * size[1]):
        return _Block(4, 1, (1, 2))
    common = math.gcd(whole[0], size[0])
    block = _Block(whole[0] // common, size[0] // common)
    # Larger pictures look beyond their block. Of many rows a block, some lie so near to the
    # middle of two weights that the place in the picture decides which one is taken.
    return block if block.made <= min(block.read, _MOST_MADE) else None


def _blocks(whole: tuple[int, int], block: _Block) -> int:
    """How many blocks are looked at in one go."""
    return max(1, _MASK_BYTES // (whole[1] * (len(block.seen) or block.read)))


def _fill_half(strip: list[UInt8], whole: list[UInt8], top: int) -> None:
    # Rows 1 and 2 of four lie in different rows of chroma, so the kept half has one row of chroma
    # for each of luma: 4:2:2.
    height, luma = len(strip[0]), whole[0][4 * top : 4 * top + 2 * len(strip[0])]
    strip[0][0::2], strip[0][1::2] = luma[1::4], luma[2::4]
    for part, chroma in zip(strip[1:], whole[1:], strict=True):
        part[:] = chroma[2 * top : 2 * top + height]


@functools.cache
def _keeps_bytes(form: str, width: int) -> bool:
    """Whether the converter gives half the rows, as 4:2:2, the bytes they have in the whole.

    It does where it works with vector instructions; its portable code drops rows of chroma.
    """
    rng = np.random.default_rng(0)
    whole, half = av.VideoFrame(width, 8, form), av.VideoFrame(width, 4, _HALVED[form])
    for pixels in planes(whole):
        pixels[:] = rng.integers(0, 256, pixels.shape, dtype=np.uint8)
    _fill_half(planes(half), planes(whole), 0)
    wanted = BgrReader().read(whole).reshape(2, 4, width, 3)[:, 1:3].reshape(4, width, 3)
    return np.array_equal(BgrReader().read(half), wanted)


def _is_plain_gray(frame: Any) -> bool:
    # swscale treats odd heights otherwise, so there the table would not be exact.
    if frame.format.name not in _HALVED or frame.height % 2 or frame.rotation:
        return False
    return all(part.min() == part.max() == 128 for part in planes(frame)[1:])


@functools.cache
def _luma_to_blue(form: str) -> UInt8:
    ramp = av.VideoFrame(256, 2, form)
    luma, *chroma = planes(ramp)
    luma[:] = np.arange(256, dtype=np.uint8)
    for part in chroma:
        part[:] = 128
    return np.ascontiguousarray(BgrReader().read(ramp)[0, :, 0])
