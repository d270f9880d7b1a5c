"""The clean aperture of a movie: the part of the coded picture that is meant to be shown.

It is the box ``clap`` (ISO/IEC 14496-12, section 12.1.4) in the sample entry of a track of an MP4
or MOV file. FFmpeg reads it and leaves cropping to the player; PyAV does not show it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import IO

from attrs import frozen

from phyrefine.video.reading.streams import Source

_TO_THE_ENTRY = (b"mdia", b"minf", b"stbl", b"stsd")
# Before the boxes of a visual sample entry: its own fields. Before the entries of stsd: its count.
_ENTRY_FIELDS, _STSD_FIELDS = 78, 8
_LARGEST_INDEX = 256 << 20


@frozen
class Aperture:
    """A part of the coded picture.

    Attributes:
        left: Pixels left of it.
        top: Pixels above it.
        width: Pixels.
        height: Pixels.
    """

    left: int
    top: int
    width: int
    height: int


def aperture_of(source: Source, track: int, size: tuple[int, int]) -> Aperture | None:
    """The clean aperture of a track.

    Args:
        source: The file.
        track: Its id.
        size: (height, width) of the coded picture.

    Returns:
        ``None`` where there is none, where it is the whole picture, or where it makes no sense.
    """
    if source.head[4:8] != b"ftyp":
        return None
    try:
        with source.open() as file:
            values = _clap(file, track)
    except (struct.error, ValueError):
        return None  # damage, which decoding tells of
    return None if values is None else _within(values, size)


def _within(values: tuple[int, ...], size: tuple[int, int]) -> Aperture | None:
    pairs = zip(values[::2], values[1::2], strict=True)
    try:
        width, height, across, down = (Fraction(over, under) for over, under in pairs)
    except ZeroDivisionError:
        return None
    left, top = (size[1] - width) / 2 + across, (size[0] - height) / 2 + down
    made = Aperture(round(left), round(top), round(width), round(height))
    fits = made.left >= 0 and made.top >= 0 and made.width > 0 and made.height > 0
    inside = made.left + made.width <= size[1] and made.top + made.height <= size[0]
    smaller = (made.height, made.width) != size
    return made if fits and inside and smaller else None


def _clap(file: IO[bytes], track: int) -> tuple[int, ...] | None:
    """The eight numbers of the track's box: four fractions."""
    file.seek(0)
    for kind, size in _boxes(file):
        if kind != b"moov":
            file.seek(size, io.SEEK_CUR)
            continue
        if size > _LARGEST_INDEX:
            return None
        for inner, content in _contents(file.read(size)):
            if inner == b"trak" and _track_id(content) == track:
                return _of_track(content)
        return None
    return None


def _boxes(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Kind and size of the content of each top-level box; whoever takes one moves over it."""
    while len(head := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        begun = 8
        if size == 1:
            size, begun = int.from_bytes(file.read(8), "big"), 16
        if size < begun:
            return
        yield kind, size - begun


def _contents(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes within a box's content."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8:
            return
        yield kind, data[at + 8 : at + size]
        at += size


def _track_id(trak: bytes) -> int | None:
    header = dict(_contents(trak)).get(b"tkhd", b"")
    at = 20 if header[:1] == b"\1" else 12
    return int.from_bytes(header[at : at + 4], "big") if len(header) >= at + 4 else None


def _of_track(trak: bytes) -> tuple[int, ...] | None:
    content = trak
    for kind in _TO_THE_ENTRY:
        content = dict(_contents(content)).get(kind, b"")
    entries = list(_contents(content[_STSD_FIELDS:]))
    if not entries:
        return None
    clap = dict(_contents(entries[0][1][_ENTRY_FIELDS:])).get(b"clap")
    return None if clap is None else struct.unpack(">IIIIiIiI", clap[:32])
