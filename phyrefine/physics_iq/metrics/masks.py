"""Motion masks as the benchmark makes them, and what its mask files do to them.

The recipe (arXiv 2501.09038, section 3; parameters from the official program): a running
background, difference above 10 gray levels, opening and closing with a 5x5 square. The official
program writes the masks into an MPEG-4 file and reads them back before it resizes and thresholds
them; :class:`MaskFile` does the same in memory: the loss moves the score by 0.1 to 2 points.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import attrs
import av
import numpy as np
from numpy.typing import NDArray

from phyrefine.physics_iq.data.decoding import UInt8, opencv, planes
from phyrefine.physics_iq.metrics.measures import MASK_THRESHOLD
from phyrefine.physics_iq.metrics.scaling import GrayReader, scale, to_gray
from phyrefine.video.overlap import Mask

WEIGHT = 0.3  # of the newest frame in the background
DIFFERENCE = 10  # gray levels a pixel must exceed against the background
KERNEL = 5  # side of the square of opening and closing, and of the blur
# Luma of "off" and "on" in a video of limited range; the masks are made in these values, so that
# handing them to the encoder is one addition.
OFF, ON = 16, 235
_MPEG4_OPTIONS = {"qmin": "3"}
_STRIP = 64  # rows worked on at a time where that changes nothing
_REACH = 2 * (KERNEL - 1)  # rows: twice what opening and closing can look at around a pixel
# Pixels from which masks wait for the mask file: its encoder and decoder take 120 MB at 4K, beside
# the clip's own decoder and background; waiting costs a few per cent of time.
_LARGE = 4_000_000
_GROUP = 12  # frames from key frame to key frame


class MotionMasker:
    """Makes the mask of each frame of one clip, in order.

    The background is updated *before* the difference is taken, so a change must be about 15 gray
    levels to count, and the first mask is empty.
    """

    def __init__(self) -> None:
        self._cv = opencv()
        self._square = np.ones((KERNEL, KERNEL), np.uint8)
        self._background: NDArray[np.float64] | None = None

    def push(self, frame: UInt8) -> UInt8:
        """The mask of the next frame.

        Args:
            frame: BGR, uint8 [H, W, 3], or its :func:`to_gray`, which the mask is written into.

        Returns:
            uint8 [H, W]: ``ON - OFF`` where something moves, else 0.
        """
        cv = self._cv
        gray = to_gray(frame) if frame.ndim == 3 else frame
        cv.GaussianBlur(gray, (KERNEL, KERNEL), 0, dst=gray)
        if self._background is None:
            self._background = gray.astype(np.float64)
            gray[:] = 0
            return gray
        # In one piece: the last pixels of a call are rounded otherwise.
        cv.accumulateWeighted(gray, self._background, WEIGHT)
        moving = []
        for top in range(0, len(gray), _STRIP):
            part = gray[top : top + _STRIP]
            rounded = cv.convertScaleAbs(self._background[top : top + _STRIP])
            cv.absdiff(part, rounded, dst=part)
            cv.threshold(part, DIFFERENCE, ON - OFF, cv.THRESH_BINARY, dst=part)
            if cv.hasNonZero(part):
                moving.append(top)
        if moving:
            # Opening and closing reach this far; whatever lies beyond is black and stays so.
            part = gray[max(moving[0] - _REACH, 0) : moving[-1] + _STRIP + _REACH]
            cv.morphologyEx(part, cv.MORPH_OPEN, self._square, dst=part)
            cv.morphologyEx(part, cv.MORPH_CLOSE, self._square, dst=part)
        return gray


class MaskFile:
    """The lossy mask file of the official program, as a codec in memory.

    Encoder settings at which PyAV's decoded frames equal those of OpenCV's writer, frame by
    frame. An odd last row or column is cut off, as there.

    Args:
        fps: Rounded frame rate of the file.
        size: (height, width) the frames are resized to when read; ``None`` keeps their own.
    """

    def __init__(self, fps: int, size: tuple[int, int] | None = None) -> None:
        self._fps = fps
        self._reader = GrayReader(size)
        self._encoder: Any = None
        self._picture: Any = None
        self._decoder: Any = av.CodecContext.create("mpeg4", "r")
        self._decoder.thread_count = 1
        self._count = 0

    def push(self, mask: UInt8) -> list[UInt8]:
        """Put a mask in; get what can be read back so far, gray uint8 [h, w] each."""
        height, width = (side - side % 2 for side in mask.shape)
        if self._encoder is None:
            self._encoder = self._open(height, width)
            self._picture = av.VideoFrame(width, height, "yuv420p")
            for chroma in planes(self._picture)[1:]:
                chroma[:] = 128
        self._picture.make_writable()  # a copy, should the encoder still hold it
        opencv().add(mask[:height, :width], OFF, dst=planes(self._picture)[0])
        self._picture.pts, self._count = self._count, self._count + 1
        return self._read(self._encoder.encode(self._picture))

    def finish(self) -> list[UInt8]:
        """The rest of the frames."""
        if self._encoder is None:
            return []
        rest = self._read(self._encoder.encode(None))
        return rest + [self._reader.read_luma(frame) for frame in self._decoder.decode(None)]

    def _read(self, packets: Iterable[Any]) -> list[UInt8]:
        frames = (frame for packet in packets for frame in self._decoder.decode(packet))
        return [self._reader.read_luma(frame) for frame in frames]

    def _open(self, height: int, width: int) -> Any:
        encoder: Any = av.CodecContext.create("mpeg4", "w")
        encoder.time_base = Fraction(1, self._fps)
        set_up_encoder(encoder, self._fps, (height, width))
        encoder.flags |= av.codec.context.Flags.global_header
        encoder.open()
        self._decoder.extradata = encoder.extradata
        return encoder


def set_up_encoder(encoder: Any, fps: int, size: tuple[int, int]) -> None:
    """Give an MPEG-4 encoder the settings of the official program's mask files.

    Args:
        encoder: A codec context, or the one of a stream, before it is opened.
        fps: Rounded frame rate.
        size: (height, width), even numbers.
    """
    height, width = size
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.framerate = Fraction(fps)
    encoder.gop_size, encoder.thread_count = _GROUP, 1
    # High enough that the quantizer always stays at qmin; a lower rate changes the result.
    encoder.bit_rate = min(96 * fps * width * height, 2**31 - 1)
    encoder.options = _MPEG4_OPTIONS


class MetricMasks:
    """Masks of one clip as the metrics see them: made, sent through the mask file, scaled.

    Args:
        size: (height, width) the metrics work at.
        fps: Rounded frame rate.
        lossless: Skip the mask file. Cleaner, and not the official number.
    """

    def __init__(self, size: tuple[int, int], fps: int, *, lossless: bool = False) -> None:
        self._size = size
        self._masker: MotionMasker | None = MotionMasker()
        self._file = None if lossless else MaskFile(fps, size)
        self._waiting: list[PackedMask] = []

    def push(self, frame: UInt8) -> list[Mask]:
        """Put a frame in at the clip's own size, as in the masker; get the masks that are ready."""
        if self._masker is None:
            raise ValueError("The masks of this clip are finished: begin another.")
        mask = self._masker.push(frame)
        if self._file is None:
            return [scale_mask(binary_gray(mask), self._size)]
        if mask.size < _LARGE:
            return [scale_mask(gray, self._size) for gray in self._file.push(mask)]
        self._waiting.append(PackedMask.of(mask))
        return []

    def finish(self) -> Iterator[Mask]:
        """The rest of the masks; of a large clip all, now that its decoder is gone."""
        self._masker = None
        if self._file is None:
            return
        for packed in self._waiting:
            for gray in self._file.push(packed.unpack()):
                yield scale_mask(gray, self._size)
        for gray in self._file.finish():
            yield scale_mask(gray, self._size)


@attrs.frozen
class PackedMask:
    """A mask of the masker, small while it waits for the mask file.

    Attributes:
        shape: (height, width) of the mask.
        box: x, y, width and height of what moves.
        bits: That part, as compressed bits.
    """

    shape: tuple[int, ...]
    box: tuple[int, int, int, int]
    bits: bytes

    @classmethod
    def of(cls, mask: UInt8) -> PackedMask:
        """Pack uint8 [H, W], ``ON - OFF`` or 0."""
        x, y, width, height = opencv().boundingRect(mask)
        bits = np.packbits(mask[y : y + height, x : x + width], axis=-1)
        return cls(mask.shape, (x, y, width, height), zlib.compress(bits.tobytes(), 1))

    def unpack(self) -> UInt8:
        """The mask."""
        mask = np.zeros(self.shape, np.uint8)
        x, y, width, height = self.box
        bits = np.frombuffer(zlib.decompress(self.bits), np.uint8).reshape(height, (width + 7) // 8)
        part = mask[y : y + height, x : x + width]
        np.multiply(np.unpackbits(bits, axis=-1, count=width), ON - OFF, out=part)
        return mask


def binary_gray(mask: UInt8) -> UInt8:
    """0 and 255 from the masker's values, even-sized like a mask file."""
    height, width = (side - side % 2 for side in mask.shape)
    return np.where(mask[:height, :width] > 0, np.uint8(255), np.uint8(0))


def scale_mask(gray: UInt8, size: tuple[int, int]) -> Mask:
    """Resize a gray mask frame bilinearly to (height, width), then threshold."""
    scaled: Mask = scale(gray, size) > MASK_THRESHOLD
    return scaled
