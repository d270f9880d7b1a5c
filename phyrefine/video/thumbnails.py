"""Small gray videos for measuring motion: at most 128 pixels wide and about 8 frames per second.

Positions matter for motion, textures do not; averaging pixels and frames also removes grain. The
same small video comes from a clip in memory and, without ever holding the whole clip, from a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from attrs import frozen
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from phyrefine.errors import VideoError
from phyrefine.video.clip import Clip
from phyrefine.video.recent import Recent

SIDE = 128  # pixels of the longer side at the most
FPS = 8.0  # frames are averaged in groups down to about this rate
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@frozen(eq=False)
class Thumbnails:
    """A small gray video.

    Attributes:
        gray: float32 [T, h, w], 0..255.
        fps: Frames per second.
    """

    gray: NDArray[np.float32]
    fps: float


# Each takes some hundred kilobytes at the most.
_remembered: Recent[Thumbnails] = Recent(128)


def small_size(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of the small video of a clip of that (height, width)."""
    longer = max(size)
    if longer <= SIDE:
        return size
    return max(1, round(size[0] * SIDE / longer)), max(1, round(size[1] * SIDE / longer))


def group_of(fps: float) -> int:
    """How many frames are averaged into one."""
    return max(1, round(fps / FPS))


def thumbnails(clip: Clip, size: tuple[int, int] | None = None) -> Thumbnails:
    """The small gray video of a clip, remembered by the clip's digest.

    Args:
        clip: Any clip; pass ``clip.as_made`` to measure what the model made.
        size: (height, width); :func:`small_size` of the clip by default.
    """
    wanted = size or small_size(clip.size)

    def make() -> Thumbnails:
        return Thumbnails(_average(_shrunk(clip, wanted), group_of(clip.fps)), _rate(clip.fps))

    return _remembered.get((clip.digest, wanted), make)


def read_thumbnails(path: str | Path, size: tuple[int, int] | None = None) -> Thumbnails:
    """The small gray video of a file, frame by frame: no more than a few frames are in memory.

    Args:
        path: A video file of even frame rate.
        size: (height, width); :func:`small_size` of the file's frames by default.

    Raises:
        VideoError: Missing, empty or not a video.
    """
    path = Path(path)
    if not path.is_file():
        raise VideoError(f"No such video file: {path}")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise VideoError(f"{path.name} holds no video: pass a video file.")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            fps = float(stream.average_rate or stream.base_rate or Fraction(24))
            gray = _average(_decoded(container, stream, size), group_of(fps))
    except av.FFmpegError as error:
        raise VideoError(f"{path.name} is not a readable video, or is cut off: {error}.") from error
    return Thumbnails(gray, _rate(fps))


def _rate(fps: float) -> float:
    return fps / group_of(fps)


def _average(frames: Iterable[NDArray[Any]], group: int) -> NDArray[np.float32]:
    """Means of ``group`` frames each; a rest of less than half a group is left out."""
    means: list[NDArray[np.float32]] = []
    waiting: list[NDArray[Any]] = []
    for frame in frames:
        waiting.append(frame)
        if len(waiting) == group:
            means.append(_mean(waiting))
            waiting = []
    if waiting and (not means or 2 * len(waiting) >= group):
        means.append(_mean(waiting))
    if not means:
        raise VideoError("The video holds no frames: it is empty or cut off.")
    return np.stack(means)


def _mean(frames: list[NDArray[Any]]) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = np.mean(frames, axis=0, dtype=np.float32)
    return mean


def _shrunk(clip: Clip, size: tuple[int, int]) -> Iterator[NDArray[Any]]:
    if clip.size == size:
        for frame in clip.each():
            yield frame.astype(np.float32) @ _LUMA
        return
    converter = VideoReformatter()
    for frame in clip.each():
        yield _gray(
            converter, av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"), size
        )


def _decoded(
    container: Any, stream: Any, size: tuple[int, int] | None
) -> Iterator[NDArray[np.uint8]]:
    converter = VideoReformatter()
    for frame in container.decode(stream):
        turns = round(frame.rotation / 90) % 4
        shown = (frame.height, frame.width) if turns % 2 == 0 else (frame.width, frame.height)
        wanted = size or small_size(shown)
        yield np.rot90(_gray(converter, frame, wanted if turns % 2 == 0 else wanted[::-1]), turns)


def _gray(converter: Any, frame: Any, size: tuple[int, int]) -> NDArray[np.uint8]:
    small = converter.reformat(
        frame, width=size[1], height=size[0], format="gray", interpolation="AREA", threads=1
    )
    plane = small.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: size[0], : size[1]].copy()
