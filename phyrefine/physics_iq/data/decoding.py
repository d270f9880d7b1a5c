"""Frames as the benchmark's program sees them: one at a time, BGR, one decode per file.

PyAV's bicubic conversion to BGR gives the very bytes of OpenCV 4.13 and later, tags of the color
matrix honoured; rotation metadata is applied as OpenCV applies it.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import attrs
import av
import numpy as np
from numpy.typing import NDArray

from phyrefine._optional import require
from phyrefine.errors import VideoError

UInt8 = NDArray[np.uint8]
_UNSPLIT_SECONDS = 8  # conditioning and test part in one
_HEAD = 8  # bytes; a shorter sample may be zeros


@attrs.frozen
class VideoFacts:
    """What a container says about itself.

    Attributes:
        fps: Frames per second.
        seconds: Duration of the container; ``None`` if it does not say.
        width: Pixels.
        height: Pixels.
    """

    fps: float
    seconds: float | None
    width: int
    height: int


@functools.cache
def opencv() -> Any:
    """The ``cv2`` module.

    Raises:
        MissingDependencyError: The extra ``physics-iq`` is not installed.
    """
    return require("cv2", extra="physics-iq", feature="The Physics-IQ scorer")


def probe(path: Path) -> VideoFacts:
    """Read a file's header.

    Raises:
        VideoError: The file is missing, empty, not whole, or holds no video.
    """
    with _opened(path) as container:
        stream = container.streams.video[0]
        _require_whole(path, container)
        rate = stream.average_rate or stream.guessed_rate or 0
        seconds = container.duration / av.time_base if container.duration else None
        return VideoFacts(float(rate), seconds, stream.width, stream.height)


def decode(path: Path, limit: int | None = None) -> Iterator[Any]:
    """Yield at most ``limit`` decoded frames (``av.VideoFrame``), on one thread.

    Views are evaluated in parallel, so a decoder that takes one core and few buffers is both
    faster for the whole and smaller.

    Raises:
        VideoError: The file is missing, empty, damaged or holds no video.
    """
    with _opened(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        try:
            yield from islice(_frames(container, stream), limit)
        except av.FFmpegError as error:
            raise VideoError(f"{path} is damaged: {error}. Fetch it again.") from error


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    # As container.decode does, but without holding a frame (12 MB at 4K) while the next is made.
    for packet in container.demux(stream):
        frames = packet.decode()
        while frames:
            yield frames.pop(0)


def file_problem(path: Path, seconds: float) -> str | None:
    """What is wrong with a file that should last so long, by its header; ``None`` if nothing."""
    try:
        facts = probe(path)
    except VideoError as error:
        return str(error)
    # A frame of slack: containers round the last frame's duration.
    slack = 1.5 / max(facts.fps, 1.0)
    if facts.seconds is None or abs(facts.seconds - seconds) <= slack:
        return None
    problem = f"{path} lasts {facts.seconds:.3f} s, not {seconds:g} s"
    if abs(facts.seconds - _UNSPLIT_SECONDS) <= slack:
        problem += " (the benchmark's first release had files of 8 s)"
    return f"{problem}: fetch it again."


def _require_whole(path: Path, container: Any) -> None:
    """Compare the file with the places of the samples that its header lists; decodes nothing."""
    size = path.stat().st_size
    ends = [
        entry.pos + entry.size
        for stream in container.streams
        for entry in getattr(stream, "index_entries", ())
    ]
    if max(ends, default=0) > size:
        raise VideoError(
            f"{path} is cut off: it has {size} bytes of at least {max(ends)}. "
            "Fetch or generate it again."
        )
    samples = [(entry.pos, entry.size) for entry in container.streams.video[0].index_entries]
    if not samples:
        return
    place, length = max(samples)
    with path.open("rb") as stream:
        stream.seek(place)
        last = stream.read(min(length, 64))
    # A download that reserves its room first has the right size from the start.
    if len(last) >= _HEAD and not any(last):
        raise VideoError(f"{path} ends in zeros: it is not whole. Fetch or generate it again.")


class BgrReader:
    """Turns decoded frames into BGR arrays, with one conversion context for all of them."""

    def __init__(self) -> None:
        self._converter = av.video.reformatter.VideoReformatter()

    def read(self, frame: Any) -> UInt8:
        """uint8 [H, W, 3]; valid as long as the array is kept."""
        converted = self._converter.reformat(
            frame, format="bgr24", interpolation="BICUBIC", threads=1
        )
        pixels = planes(converted, 3)[0].reshape(frame.height, frame.width, 3)
        turns = round(frame.rotation / 90) % 4
        return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def planes(frame: Any, channels: int = 1) -> list[UInt8]:
    """Writable views on the planes of a frame, uint8 [rows, columns x channels] each."""
    views = []
    for part in frame.planes:
        rows = np.frombuffer(part, np.uint8).reshape(-1, part.line_size)
        views.append(rows[: part.height, : part.width * channels])
    return views


def file_digest(path: Path) -> str:
    """Hex digest of a file's bytes (BLAKE2b, 128 bits)."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise VideoError(f"No such video: {path}")
    if path.stat().st_size == 0:
        raise VideoError(f"{path} is empty (0 bytes). Fetch or generate it again.")
    try:
        container = av.open(str(path))
    except av.FFmpegError as error:
        raise VideoError(
            f"{path} is not a readable video: {error}. Fetch or generate it again."
        ) from error
    if not container.streams.video:
        container.close()
        raise VideoError(f"{path} holds no video stream.")
    return container
