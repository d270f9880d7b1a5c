"""A clip: RGB frames with a rate, and everything one does with them by name."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from phyrefine import _display
from phyrefine.errors import VideoError
from phyrefine.video.footage import MAX_BYTES, Frames
from phyrefine.video.large import lazy
from phyrefine.video.numbers import as_array, number, whole

if TYPE_CHECKING:
    from PIL.Image import Image

UInt8Array = NDArray[np.uint8]
MAX_FPS = 10_000.0


def _as_frames(value: Any) -> Frames:
    if isinstance(value, lazy.Derived | lazy.Filed):
        return value
    frames = as_array(value)
    if frames.dtype != np.uint8:
        raise VideoError(
            f"A clip holds uint8 frames in 0..255, not {frames.dtype}. Scale and round first, "
            "or use Clip.from_array, which does it for floats in 0..1."
        )
    if frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        raise VideoError(f"A clip holds frames of shape [T, H, W, 3], not {list(frames.shape)}.")
    frames = np.ascontiguousarray(frames)
    if frames.flags.writeable:
        frames = frames.view()
        frames.flags.writeable = False
    return frames


def _as_fps(value: Any) -> float:
    return number(value, "A frame rate", above=0, below=MAX_FPS, unit="frames per second")


def _as_size(*sides: Any) -> tuple[int, int]:
    if len(sides) != 2:
        raise VideoError(f"A size is (height, width), not {sides!r}.")
    height, width = (whole(side, "Height and width", at_least=-(2**31)) for side in sides)
    if height < 1 or width < 1:
        raise VideoError(f"A size must be at least 1x1 pixels, not {width}x{height}.")
    return height, width


def _as_path(value: Any) -> Path:
    if not isinstance(value, str | os.PathLike):
        raise VideoError(f"A path is text or a Path, not {type(value).__name__}.")
    return Path(value)


def _each(values: Any, what: str) -> Iterable[Any]:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise VideoError(f"Several {what} are needed, not {type(values).__name__}.")
    return values


@frozen(eq=False, repr=False)
class Clip:
    """A short video.

    Two clips are equal when their pixels and rates are; ``native`` does not count.

    Args:
        frames: uint8 array [T, H, W, 3], RGB, 0..255.
        fps: Frames per second.
        native: See below.
        source: See below.

    Attributes:
        fps: Frames per second. Frame ``i`` is shown from ``i / fps`` to ``(i + 1) / fps`` seconds.
        native: The frames as the model made them, at its own rate and size, when this clip was
            resampled for delivery. Critics and motion measures look at it.
        source: Where the clip came from, for messages; a file name or a model's name.
    """

    _pixels: Frames = field(converter=_as_frames, alias="frames")
    fps: float = field(converter=_as_fps)
    native: Clip | None = field(default=None, kw_only=True)
    source: str | None = field(default=None, kw_only=True)
    _kept: dict[tuple[int, int, str], Clip] = field(factory=dict, init=False)

    # -- reading -------------------------------------------------------------------------------

    @classmethod
    def read(
        cls,
        path: str | Path,
        *,
        fps: float | None = None,
        start: float = 0.0,
        seconds: float | None = None,
        size: tuple[int, int] | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> Clip:
        """Read a video, an animation, a picture, or a folder of images, as a player shows it.

        Pictures come upright, in square pixels and BT.709 colors; what had to be done for that is
        said in ``source``. Varying rates become even without losing a frame.

        Args:
            path: Anything PyAV or Pillow reads, or a folder of images in name order.
            fps: Rate of a folder of images, or the rate a file is resampled to (by time).
            start: Where to begin, in seconds; counted from the end when negative. Only what is
                needed is decoded.
            seconds: How much to read; to the end by default.
            size: (height, width) the frames are fitted to, as :meth:`resize`, while they are read.
            max_bytes: What the frames may take in memory; 4 GiB by default.

        Raises:
            VideoError: Missing, empty, truncated, audio only, too large, or not a video.
        """
        from phyrefine.video.reading.files import read_footage
        from phyrefine.video.reading.request import Part

        path = _as_path(path)
        fps = None if fps is None else _as_fps(fps)
        size = None if size is None else _as_size(*_each(size, "sides"))
        limit = whole(max_bytes, "max_bytes", at_least=1)
        part = Part(start, seconds, size, limit, fps)
        read = read_footage(path, fps=fps, part=part)
        clip = cls(read.frames, read.fps, source=read.described)
        return clip if fps is None or path.is_dir() else clip.resample(fps)

    @classmethod
    def from_bytes(cls, data: bytes, *, source: str = "bytes") -> Clip:
        """Read an encoded video held in memory; errors as :meth:`read`."""
        from phyrefine.video.reading.files import decode_footage

        read = decode_footage(data, source=source)
        return cls(read.frames, read.fps, source=read.described)

    @classmethod
    def from_array(cls, frames: Any, fps: float, *, source: str | None = None) -> Clip:
        """A clip from an array or a tensor.

        Args:
            frames: [T, H, W, C] or [T, C, H, W] with C of 1, 3 or 4: uint8, or floats in 0..1
                (rounded). Alpha is laid over black; one channel becomes gray. Tensors are copied
                to the CPU. Where both readings fit, because a side has 1, 3 or 4 pixels, channels
                are the last axis. [C, T, H, W] of 1, 3 or 4 frames cannot be told from
                [T, C, H, W]: transpose it first.
            fps: Frames per second.
            source: Name for messages.

        Raises:
            VideoError: Other shapes, dtypes or ranges.
        """
        from phyrefine.video.frames import as_rgb

        return cls(as_rgb(frames), fps, source=source)

    @classmethod
    def from_images(cls, images: Iterable[Image], fps: float, *, source: str | None = None) -> Clip:
        """A clip from PIL images of one size; alpha lies over black, 16 bits become 8.

        Raises:
            VideoError: No images, of several sizes, not PIL images, or of an unknown range.
        """
        from phyrefine.video.frames import from_pil

        if hasattr(images, "convert"):
            raise VideoError("from_images takes a list of PIL images: pass [image] for one.")
        arrays = [from_pil(image) for image in _each(images, "PIL images")]
        if not arrays:
            raise VideoError("No images: a clip needs at least one frame.")
        sizes = {array.shape[:2] for array in arrays}
        if len(sizes) > 1:
            raise VideoError(f"Images of one clip must share a size, not {sorted(sizes)}.")
        return cls(np.stack(arrays), fps, source=source)

    # -- facts ---------------------------------------------------------------------------------

    @property
    def frames(self) -> UInt8Array:
        """uint8 array [T, H, W, 3], RGB, 0..255, read-only.

        A large result of a run is not held: its frames are made from the model's own, or read from
        the run folder, when they are asked for. :meth:`each` does so one frame at a time.

        Raises:
            VideoError: The file of the run folder that holds them is gone.
        """
        return lazy.whole(self._pixels)

    def each(self) -> Iterator[UInt8Array]:
        """The frames, uint8 [H, W, 3], one at a time: large ones are never all in memory."""
        return iter(self._pixels)

    def take(self, indices: Sequence[int] | NDArray[np.intp]) -> UInt8Array:
        """The frames at these positions: uint8 [len(indices), H, W, 3].

        Args:
            indices: Counted from 0, or from the end when negative.

        Raises:
            VideoError: There is no such frame.
        """
        count = len(self)
        numbers = [
            whole(one, "Positions", at_least=-(2**31)) for one in _each(indices, "positions")
        ]
        beyond = [one for one in numbers if not -count <= one < count]
        if beyond:
            raise VideoError(f"There is no frame {beyond[0]} in a clip of {count}.")
        wanted = [one % count for one in numbers]
        return lazy.taken(self._pixels, wanted)

    @property
    def pixels(self) -> Frames:
        """The frames as they are held: an array, or what makes or reads them."""
        return self._pixels

    @property
    def held_bytes(self) -> int:
        """What the frames take in memory; 0 where they are made or read when asked for."""
        return lazy.held_bytes(self._pixels)

    def __len__(self) -> int:
        return int(self._pixels.shape[0])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self._pixels.shape[1])

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self._pixels.shape[2])

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels, as arrays have it."""
        return self.height, self.width

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self) / self.fps

    @property
    def times(self) -> NDArray[np.float64]:
        """float64 [T]: when each frame starts, in seconds."""
        return np.arange(len(self)) / self.fps

    @functools.cached_property
    def digest(self) -> str:
        """Hex digest of pixels, shape and rate (BLAKE2b, 128 bits); ``native`` is left out."""
        pixels = self._pixels
        known = None if isinstance(pixels, np.ndarray) else pixels.digest(self.fps)
        return known or lazy.digest_of(pixels.shape, self.fps, pixels)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Clip):
            return NotImplemented
        if self.fps != other.fps or self._pixels.shape != other._pixels.shape:
            return False
        if self._pixels is other._pixels:
            return True
        return all(map(np.array_equal, self.each(), other.each()))

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        name = f", source={self.source!r}" if self.source else ""
        native = f", native={len(self.native)} at {self.native.fps:g}" if self.native else ""
        return (
            f"Clip({len(self)} frames of {self.width}x{self.height} at {self.fps:g} fps, "
            f"{self.duration:.2f} s{native}{name})"
        )

    def _repr_html_(self) -> str:
        return _display.html(self)

    # -- changing ------------------------------------------------------------------------------

    def seconds(self, start: float = 0.0, end: float | None = None) -> Clip:
        """The part shown from ``start`` to ``end`` seconds; negative times count from the end.

        Raises:
            VideoError: The part holds no frame.
        """
        start = number(start, "start", unit="seconds")
        last = self.duration if end is None else number(end, "end", unit="seconds")
        start = start + self.duration if start < 0 else start
        last = last + self.duration if last < 0 else last
        first, stop = round(start * self.fps), round(last * self.fps)
        if not 0 <= first < min(stop, len(self)):
            raise VideoError(
                f"No frames from {start:g} to {last:g} s in a clip of {self.duration:g} s."
            )
        pixels = lazy.part(self._pixels, first, min(stop, len(self)))
        return Clip(pixels, self.fps, source=self.source)

    def resample(self, fps: float, *, count: int | None = None) -> Clip:
        """The same motion at another rate, by time: each new frame is the one shown at its start.

        Args:
            fps: New rate.
            count: Exact number of frames; by default as many as the duration holds. The last
                frame is held when time runs out.
        """
        fps = _as_fps(fps)
        count = None if count is None else whole(count, "The number of frames", at_least=1)
        return evolve(self, frames=lazy.resampled(self._pixels, self.fps, fps, count), fps=fps)

    def resize(self, height: int, width: int, *, mode: str = "fit", keep: bool = False) -> Clip:
        """Another size: ``fit`` covers and crops, ``pad`` letterboxes, ``stretch`` distorts.

        Args:
            height: New height in pixels.
            width: New width in pixels.
            mode: See above.
            keep: Hold on to the result as long as this clip lives, for the next time: a prefix is
                shrunk the same way for every attempt.
        """
        height, width = _as_size(height, width)
        kept = self._kept.get((height, width, str(mode)))
        if kept is not None:
            return kept
        made = evolve(self, frames=lazy.resized(self._pixels, height, width, mode=mode))
        if keep:
            self._kept[height, width, mode] = made
        return made

    def with_native(self, native: Clip) -> Self:
        """This clip, remembering the frames it was made from."""
        return evolve(self, native=native)

    @property
    def as_made(self) -> Clip:
        """The frames as the model made them: ``native`` where kept, else this clip."""
        return self.native if self.native is not None else self

    # -- writing -------------------------------------------------------------------------------

    def write(self, path: str | Path, *, lossless: bool = False, quality: int = 18) -> Path:
        """Write a file; the suffix chooses the format.

        ``.mp4`` is H.264 in yuv420p, which browsers play; odd sizes are padded by one pixel.
        ``.webm`` is VP9, ``.gif`` a GIF, ``.mkv`` is always lossless, no suffix a folder of PNGs.

        Args:
            path: Target; written aside and renamed, so that a reader never sees half of it.
            lossless: Keep every pixel value (``.mkv`` and ``.mp4``; browsers may not play it).
            quality: H.264 (0 to 51) or VP9 (0 to 63) constant rate factor; lower is better.

        Raises:
            VideoError: Unknown suffix, or a quality or rate the format does not have. A GIF holds
                50 frames per second at most: faster clips are resampled, with a warning.
            OSError: The place cannot be written; it names ``path``.
        """
        from phyrefine.video.footage import Footage
        from phyrefine.video.writing.files import write_footage

        footage = Footage(self._pixels, self.fps, self.source)
        return write_footage(footage, _as_path(path), lossless=lossless, quality=quality)

    def to_bytes(self, format: str = "mp4", *, lossless: bool = False, quality: int = 18) -> bytes:  # noqa: A002 - PyAV's and PIL's word
        """Encode in memory; see :meth:`write`."""
        from phyrefine.video.footage import Footage
        from phyrefine.video.writing.files import encode_footage

        footage = Footage(self._pixels, self.fps, self.source)
        return encode_footage(footage, format, lossless=lossless, quality=quality)

    def to_images(self) -> list[Image]:
        """PIL images, one per frame."""
        from PIL import Image

        return [Image.fromarray(frame) for frame in self.frames]


def join(clips: Sequence[Clip]) -> Clip:
    """One clip after another, at the rate and size of the last.

    Raises:
        VideoError: No clips.
    """
    if not clips:
        raise VideoError("Nothing to join: pass at least one clip.")
    last = clips[-1]
    parts = [
        (clip if clip.size == last.size else clip.resize(*last.size)).resample(last.fps).frames
        for clip in clips[:-1]
    ]
    return Clip(np.concatenate([*parts, last.frames]), last.fps, source=last.source)
