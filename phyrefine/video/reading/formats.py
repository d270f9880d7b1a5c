"""Which reader a file needs, by its first bytes: names lie."""

from __future__ import annotations

import enum

from phyrefine.video.reading.streams import Source

_MOTION_JPEG = (".mjpeg", ".mjpg")


class Reader(enum.Enum):
    """What reads a file."""

    FFMPEG = "FFmpeg"
    PILLOW = "Pillow"
    HEIF = "pillow-heif"


def reader_of(source: Source) -> Reader:
    """Pillow for pictures, pillow-heif for HEIC, FFmpeg for everything else."""
    head = source.head
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Reader.PILLOW  # FFmpeg knows no animated WebP
    if head[:3] == b"\xff\xd8\xff":
        motion = source.name.lower().endswith(_MOTION_JPEG)
        return Reader.FFMPEG if motion else Reader.PILLOW
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return Reader.FFMPEG if b"acTL" in head else Reader.PILLOW
    if head[:4] in (b"II*\0", b"MM\0*"):
        return Reader.PILLOW
    return _of_brands(head)


def _of_brands(head: bytes) -> Reader:
    if head[4:8] != b"ftyp":
        return Reader.FFMPEG
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[at : at + 4] for at in (8, *range(16, end, 4))}
    if brands & {b"avif", b"avis"}:
        return Reader.PILLOW
    return Reader.HEIF if brands & {b"heic", b"heix", b"heim", b"heis"} else Reader.FFMPEG
