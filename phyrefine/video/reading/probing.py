"""What a file holds, known from its packets and its first frame."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from phyrefine.errors import VideoError
from phyrefine.video.reading.files import read_footage
from phyrefine.video.reading.folders import images_in
from phyrefine.video.reading.formats import Reader, reader_of
from phyrefine.video.reading.request import Part
from phyrefine.video.reading.scanning import measure
from phyrefine.video.reading.streams import Source


@frozen
class Facts:
    """What a file holds.

    Attributes:
        size: (height, width) as it is shown.
        fps: Frames per second.
        seconds: Length.
        frames: How many; 1 for a picture.
    """

    size: tuple[int, int]
    fps: float
    seconds: float
    frames: int


def probe(path: str | Path, *, fps: float | None = None) -> Facts:
    """Facts about a video, a picture, or a folder of images at ``fps``.

    Raises:
        VideoError: It cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        count = len(images_in(path))
        first = read_footage(path, fps=fps, part=Part(seconds=1e-6))
        return Facts(_size(first.frames.shape), first.fps, count / first.fps, count)
    if not path.is_file() or not path.stat().st_size or not _is_video(path):
        whole = read_footage(path)
        count = int(whole.frames.shape[0])
        return Facts(_size(whole.frames.shape), whole.fps, count / whole.fps, count)
    first = read_footage(path, part=Part(seconds=1e-6))
    seconds, count, rate = measure(Source(path, path.name))
    if not count:
        raise VideoError(f"{path.name} holds no frames: it is empty or cut off.")
    return Facts(_size(first.frames.shape), rate, seconds, count)


def _is_video(path: Path) -> bool:
    return reader_of(Source(path, path.name)) is Reader.FFMPEG


def _size(shape: tuple[int, ...]) -> tuple[int, int]:
    return shape[1], shape[2]
