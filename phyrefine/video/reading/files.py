"""Reading anything people have: a video, an animation, a picture, or a folder of pictures."""

from __future__ import annotations

import logging
from pathlib import Path

from attrs import evolve

from phyrefine.errors import VideoError
from phyrefine.video.footage import Footage
from phyrefine.video.reading.completeness import cut_packet, refuse_cut_bytes
from phyrefine.video.reading.decoding import read_video
from phyrefine.video.reading.folders import read_folder
from phyrefine.video.reading.formats import Reader, reader_of
from phyrefine.video.reading.pillow import has_heif, read_picture
from phyrefine.video.reading.request import WHOLE, Part
from phyrefine.video.reading.streams import Source, best_stream, opened

log = logging.getLogger(__name__)

# Notes that begin so are also warned of: the frames are not simply what the file holds.
_TOLD = ("PQ", "HLG", "interlaced", "the first of", "its last packet")


def read_footage(path: Path, *, fps: float | None = None, part: Part = WHOLE) -> Footage:
    """Read a file, or a folder of images at ``fps``; see ``Clip.read``."""
    try:
        if not path.exists():
            raise VideoError(f"No such video: {path}")
        if path.is_dir():
            return read_folder(path, fps, part)
        if not path.is_file():
            raise VideoError(f"{path} is no file: pass a video file.")
        if path.stat().st_size == 0:
            raise VideoError(f"{path} is empty (0 bytes).")
        return _read(Source(path, path.name), part)
    except (OSError, ValueError) as error:
        if isinstance(error, VideoError):
            raise
        raise VideoError(f"Cannot read {str(path)!r}: {error}.") from error


def decode_footage(data: bytes, *, source: str = "bytes", part: Part = WHOLE) -> Footage:
    """Read an encoded video in memory; see ``Clip.from_bytes``."""
    if not isinstance(data, bytes | bytearray | memoryview):
        raise VideoError(f"An encoded video is bytes, not {type(data).__name__}.")
    if not len(data):
        raise VideoError(f"{source} is empty (0 bytes).")
    return _read(Source(bytes(data), source), part)


def _read(source: Source, part: Part) -> Footage:
    try:
        footage = _by(reader_of(source), source, part)
    except MemoryError as error:
        raise VideoError(
            f"{source.name} does not fit into the memory that is left. Read a part of it, "
            "Clip.read(path, start=-3, seconds=3), or smaller frames, Clip.read(path, size=...)."
        ) from error
    for note in footage.notes:
        if note.startswith(_TOLD) or note.endswith("damaged frames"):
            log.warning("%s: %s.", source.name, note)
    return footage


def _by(reader: Reader, source: Source, part: Part) -> Footage:
    if reader is Reader.PILLOW:
        return read_picture(source, part)
    # Without pillow-heif, FFmpeg reads a HEIC that is one picture, but neither joins nor crops.
    if reader is Reader.HEIF and (has_heif() or b"clap" in source.head):
        return read_picture(source, part, heif=True)
    notes: tuple[str, ...] = ()
    with source.open() as file:
        if cut_packet(file):
            notes = ("its last packet is incomplete: the file may be cut off",)
        fragmented = _is_fragmented(source)
        refuse_cut_bytes(file, source.name, fragmented=fragmented)
    footage = read_video(source, part)
    return evolve(footage, notes=(*footage.notes, *notes))


def _is_fragmented(source: Source) -> bool:
    if source.head[4:8] != b"ftyp":
        return False
    with opened(source) as container:
        return not best_stream(container, source.name).frames
