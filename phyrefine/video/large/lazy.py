"""Frames of large clips that are made or read one at a time, when they are asked for.

A result of 5 s at 720 lines and 30 frames per second is 400 MB, and a run makes several. What they
are made from is small: a model's own frames, or a file of the run folder.
"""

from __future__ import annotations

import collections
import hashlib
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from phyrefine.errors import VideoError
from phyrefine.video.footage import Frames, LazyFrames, Shape, refuse_too_large
from phyrefine.video.frames import resample, resample_indices, resize

UInt8Array = NDArray[np.uint8]

# From so many bytes on frames are not held where they can be had again.
LARGE = 64 << 20
# Of those that were asked for as one array, so many bytes stay at the most, or the last one.
REMEMBERED = 256 << 20


def is_large(shape: Sequence[int]) -> bool:
    """Whether frames, uint8 of that shape, take :data:`LARGE` bytes or more."""
    return int(np.prod(shape, dtype=np.int64)) >= LARGE


def held_bytes(frames: Frames) -> int:
    """What the frames take in memory by themselves."""
    return int(frames.nbytes) if isinstance(frames, np.ndarray) else 0


def whole(frames: Frames) -> UInt8Array:
    """The frames as one array, uint8 [T, H, W, 3], read-only."""
    return frames if isinstance(frames, np.ndarray) else _wholes.get(frames)


def collected(frames: LazyFrames) -> UInt8Array:
    """A new array of all frames, read-only."""
    made = np.empty(frames.shape, np.uint8)
    for index, frame in enumerate(frames):
        made[index] = frame
    made.flags.writeable = False
    return made


def taken(frames: Frames, indices: Sequence[int] | NDArray[np.intp]) -> UInt8Array:
    """The frames at ``indices``, in that order, uint8 [len(indices), H, W, 3]."""
    if isinstance(frames, np.ndarray):
        return frames[np.asarray(indices, np.intp)]
    places: dict[int, list[int]] = collections.defaultdict(list)
    for place, index in enumerate(indices):
        places[int(index)].append(place)
    out = np.empty((len(indices), *frames.shape[1:]), np.uint8)
    for index, frame in enumerate(frames):
        for place in places.pop(index, ()):
            out[place] = frame
        if not places:
            break
    return out


def part(frames: Frames, first: int, stop: int) -> Frames:
    """The frames from ``first`` up to ``stop``."""
    if isinstance(frames, np.ndarray):
        return frames[first:stop]
    return Derived(frames, np.arange(first, stop))


def resampled(frames: Frames, fps: float, new_fps: float, count: int | None) -> Frames:
    """Frames at another rate, by time; see :func:`phyrefine.video.frames.resample`."""
    if isinstance(frames, np.ndarray):
        return resample(frames, fps, new_fps, count)
    known = frames.shape[0]
    if fps == new_fps and count in (None, known):
        return frames
    wanted = count if count is not None else known * new_fps / fps
    refuse_too_large(wanted, frames.shape[1:3], f"A clip at {new_fps:g} fps", "Ask for fewer.")
    return Derived(frames, resample_indices(known, fps, new_fps, count))


def resized(frames: Frames, height: int, width: int, *, mode: str = "fit") -> Frames:
    """Frames at another size; see :func:`phyrefine.video.frames.resize`."""
    if isinstance(frames, np.ndarray):
        return resize(frames, height, width, mode=mode)
    if frames.shape[1:3] == (height, width):
        return frames
    out = np.empty((frames.shape[0], height, width, 3), np.uint8)
    for index, frame in enumerate(frames):
        out[index] = resize(frame[None], height, width, mode=mode)[0]
    return out


def digest_of(shape: Sequence[int], fps: float, frames: Iterable[UInt8Array]) -> str:
    """Hex digest of pixels, shape and rate (BLAKE2b, 128 bits)."""
    digest = hashlib.blake2b(f"{tuple(shape)} {fps!r} ".encode(), digest_size=16)
    for frame in frames:
        digest.update(np.ascontiguousarray(frame).data)
    return digest.hexdigest()


@frozen
class Framing:
    """How each frame is changed.

    Attributes:
        size: (height, width) of the result.
        mode: See :func:`phyrefine.video.frames.resize`.
        crop: The rows and columns that are used; ``None`` uses all.
    """

    size: tuple[int, int]
    mode: str = "fit"
    crop: tuple[slice, slice] | None = None

    def __call__(self, frame: UInt8Array) -> UInt8Array:
        """uint8 [H, W, 3] of the new size."""
        used = frame if self.crop is None else frame[self.crop]
        framed: UInt8Array = resize(used[None], *self.size, mode=self.mode)[0]
        return framed


@define(eq=False)
class Derived:
    """Other frames at another rate and size: each is made when it is asked for.

    Attributes:
        source: What they are made from.
        indices: int [T], not decreasing: which of the source's frames each is.
        framing: What is done with each; ``None`` for nothing.
    """

    source: Frames
    indices: NDArray[np.intp]
    framing: Framing | None = None

    @property
    def shape(self) -> Shape:
        """(T, H, W, 3)."""
        height, width = self.framing.size if self.framing else self.source.shape[1:3]
        return len(self.indices), height, width, 3

    def __iter__(self) -> Iterator[UInt8Array]:
        """Each frame; one that is held is made once."""
        at = -1
        following = enumerate(iter(self.source))
        for index in self.indices:
            if at < index:
                while at < index:
                    at, raw = next(following)
                made = raw if self.framing is None else self.framing(raw)
            yield made

    def digest(self, fps: float) -> None:
        """Not known."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process gets the frames themselves."""
        return np.array, (whole(self),)


@define(eq=False)
class Filed:
    """Frames in a lossless file that holds them and nothing else.

    Attributes:
        path: The file.
        shape: (T, H, W, 3).
        fps: Rate of the clip whose digest is known.
        known: That digest, or ``None``.
    """

    path: Path
    shape: Shape
    fps: float
    known: str | None = None

    def __iter__(self) -> Iterator[UInt8Array]:
        """Each frame.

        Raises:
            VideoError: The file is gone or damaged.
        """
        import av

        count = 0
        try:
            with av.open(str(self.path)) as container:
                container.streams.video[0].thread_type = "AUTO"
                for frame in container.decode(video=0):
                    count += 1
                    yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
        except (av.FFmpegError, OSError, IndexError) as error:
            raise VideoError(self._lost(error)) from error
        if count != self.shape[0]:
            raise VideoError(self._lost(f"{count} frames instead of {self.shape[0]}"))

    def _lost(self, why: object) -> str:
        return (
            f"The frames of this clip were kept in {self.path} and cannot be read any more: {why}. "
            "Keep a run's folder as long as its clips are in use, or write them elsewhere first."
        )

    def digest(self, fps: float) -> str | None:
        """The digest of a clip of these frames, at the rate for which it is known."""
        return self.known if fps == self.fps else None

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process gets the frames themselves."""
        return np.array, (whole(self),)


@define
class _Wholes:
    """Arrays of lazy frames, as long as those live, the last asked for first.

    Attributes:
        most: Bytes.
    """

    most: int = REMEMBERED
    _arrays: weakref.WeakKeyDictionary[Any, UInt8Array] = field(
        factory=weakref.WeakKeyDictionary, init=False, repr=False
    )
    _lock: threading.RLock = field(factory=threading.RLock, init=False, repr=False)

    def get(self, frames: LazyFrames) -> UInt8Array:
        with self._lock:
            kept = self._arrays.pop(frames, None)
            if kept is not None:
                self._arrays[frames] = kept  # now the newest
                return kept
        made = collected(frames)
        with self._lock:
            self._arrays[frames] = made
            others = [one for one in self._arrays if one is not frames]
            room = self.most - made.nbytes
            for one in reversed(others):
                room -= self._arrays[one].nbytes
                if room < 0:
                    del self._arrays[one]
        return made


_wholes = _Wholes()
