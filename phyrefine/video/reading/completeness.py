"""Whether a file ends where it says it does.

Players show what there is of a cut file; a prefix that ends early would be continued from the wrong
moment, so here it is an error. A file that was trimmed on purpose (an edit list) is whole.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import IO, Any

import av

from phyrefine.errors import VideoError

# A file may promise this much more than it holds before it counts as cut off.
MISSING_SECONDS = 0.5
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
# Boxes whose loss costs pictures.
_NEEDED_BOXES = frozenset({b"moof", b"mdat", b"moov", b"meta"})
_TRANSPORT = 188
_RIFF_HEAD = 8
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_BROADCAST = 1
_PACK, _PROGRAM_END = b"\0\0\1\xba", b"\0\0\1\xb9"
# A pack of a program stream is 2048 bytes on a disc and rarely more than some tens of KB in a file.
_LAST_PACK = 1 << 20


def refuse_cut_bytes(file: IO[bytes], source: str, *, fragmented: bool) -> None:
    """Refuse a file whose own structure goes on after its last byte.

    Args:
        file: The file, seekable; its position does not matter.
        source: Its name, for the message.
        fragmented: An MP4 without a table of all its frames. Others are judged by that table.

    Raises:
        VideoError: It is cut off.
    """
    file.seek(0)
    head = file.read(16)
    end = file.seek(0, os.SEEK_END)
    missing = 0
    if head[:4] == _EBML:
        missing = _matroska_end(file) - end
    elif head[4:8] == b"ftyp" and fragmented:
        missing = _boxes_end(file, end) - end
    elif head[:4] == b"GIF8":
        missing = 0 if _gif_is_whole(file) else 1
    elif head[:4] == b"RIFF":
        missing = _riff_end(file, end) - end
    elif head == _ASF_HEADER:
        missing = _asf_end(file) - end
    if missing > 0:
        raise VideoError(
            f"{source} is cut off: its last part is missing. Copy it again, or re-encode what is "
            "there."
        )


def cut_packet(file: IO[bytes]) -> bool:
    """Whether a transport stream or a program stream ends inside of a packet."""
    file.seek(0)
    head = file.read(2 * _TRANSPORT + 1)
    end = file.seek(0, os.SEEK_END)
    if head.startswith(_PACK):
        file.seek(max(0, end - _LAST_PACK))
        return _ends_in_a_packet(file.read())
    is_transport = head[:1] == head[_TRANSPORT : _TRANSPORT + 1] == head[-1:] == b"\x47"
    return is_transport and end % _TRANSPORT != 0


def _ends_in_a_packet(tail: bytes) -> bool:
    """Of the end of a program stream (ISO/IEC 13818-1, 2.5): whether its last packet goes on."""
    at = tail.rfind(_PACK)
    while 0 <= at < len(tail):
        head = tail[at : at + 14]
        if head[:4] == _PROGRAM_END:
            return False
        if len(head) < 6:
            return True
        if head[:4] != _PACK:
            size = 6 + int.from_bytes(head[4:6], "big")
        elif head[4] >> 6 == 1:  # MPEG-2, with stuffing; the other is MPEG-1
            size = 14 + (head[13] & 7 if len(head) == 14 else 0)
        else:
            size = 12
        if head[:3] != b"\0\0\1":
            return False  # padding, or damage, which decoding tells
        at += size
    return at > len(tail)


def _riff_end(file: IO[bytes], end: int) -> int:
    """Where the last RIFF chunk of an AVI ends by its own word; large files have several.

    Some writers count the chunk's own head, or leave out a padding byte: that is no loss.
    """
    at = 0
    while at + 12 <= end:
        file.seek(at)
        head = file.read(12)
        size = int.from_bytes(head[4:8], "little")
        if head[:4] != b"RIFF" or head[8:11] != b"AVI":
            return 0
        if size in (0, 0xFFFFFFFF):  # written without knowing it, as into a pipe
            return 0
        at += 8 + size + size % 2
    return at if at > end + _RIFF_HEAD else end


def _asf_end(file: IO[bytes]) -> int:
    """The size that an ASF (WMV) file says it has; 0 if it does not say."""
    file.seek(16)
    header = file.read(min(int.from_bytes(file.read(8), "little"), 1 << 20))
    at = header.find(_ASF_PROPERTIES)
    if at < 0 or len(header) < at + 92:
        return 0
    if int.from_bytes(header[at + 88 : at + 92], "little") & _ASF_BROADCAST:
        return 0
    return int.from_bytes(header[at + 40 : at + 48], "little")


def _number(data: bytes) -> tuple[int, int | None]:
    """(length, value) of an EBML number; the value is ``None`` where it says "unknown"."""
    if not data or not data[0]:
        return 1, None
    length = 9 - data[0].bit_length()
    value = int.from_bytes(data[:length], "big") & ((1 << (7 * length)) - 1)
    return length, None if value == (1 << (7 * length)) - 1 else value


def _matroska_end(file: IO[bytes]) -> int:
    """Where the segment ends by its own word; 0 if it does not say."""
    file.seek(4)
    length, size = _number(file.read(8))
    if size is None:
        return 0
    file.seek(4 + length + size)
    head = file.read(12)
    if head[:4] != _SEGMENT:
        return 0
    length, content = _number(head[4:])
    return 0 if content is None else file.tell() - len(head) + 4 + length + content


def _boxes_end(file: IO[bytes], end: int) -> int:
    """Where the last needed top-level box of an MP4 ends by its own word."""
    at = last = 0
    while at + 8 <= end:
        file.seek(at)
        head = file.read(16)
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if size < 8:  # 0: to the end of the file; anything else is damage, which decoding tells
            return last
        if kind in _NEEDED_BOXES:
            last = at + size
        at += size
    return max(last, at + 8) if end - at in range(1, 8) else last


def _gif_is_whole(file: IO[bytes]) -> bool:
    """Whether the blocks of a GIF end with one of its blocks."""
    file.seek(10)
    flags = file.read(3)
    if len(flags) < 3:
        return False
    _skip_palette(file, flags[0])
    while (kind := file.read(1)) not in (b"", b"\x3b"):
        if kind == b"\x21":
            file.read(1)
        elif kind == b"\x2c":
            place = file.read(9)
            if len(place) < 9:
                return False
            _skip_palette(file, place[8])
            file.read(1)
        else:
            return True  # what follows the pictures is nobody's business
        if not all(_gif_blocks(file)):
            return False
    return True


def _skip_palette(file: IO[bytes], flags: int) -> None:
    if flags & 0x80:
        file.seek(3 << ((flags & 7) + 1), os.SEEK_CUR)


def _gif_blocks(file: IO[bytes]) -> Iterator[bool]:
    """For each sub-block whether it is there in full, up to the empty one."""
    while (size := file.read(1)) != b"\0":
        there = bool(size) and len(file.read(size[0])) == size[0]
        yield there
        if not there:
            return


def promised_seconds(stream: Any, container: Any) -> float | None:
    """How long the file says the stream is."""
    if stream.duration is not None and stream.time_base:
        return float(stream.duration * stream.time_base)
    tag = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag:
        hours, minutes, seconds = tag.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    only_video = len(container.streams) == 1
    return container.duration / av.time_base if only_video and container.duration else None


def refuse_short(
    *, promised: float | None, shown: float, indexed: int, packets: int, source: str
) -> None:
    """Refuse a stream that holds less than its file promises.

    Args:
        promised: Seconds; see :func:`promised_seconds`.
        shown: Seconds from the first frame to the end of the last.
        indexed: Frames in the file's table; 0 where it has none or only a part was read.
        packets: Frames that could be read, those an edit list hides too.
        source: The file's name.

    Raises:
        VideoError: It is cut off.
    """
    if indexed and packets < 0.98 * indexed - 1:
        lack = f"it promises {indexed} frames and holds {packets}"
    elif (
        not (indexed and packets >= indexed)  # every frame of its table is there: it was trimmed
        and promised is not None
        and shown < 0.95 * promised - MISSING_SECONDS
    ):
        lack = f"it promises {promised:.2f} s and holds {shown:.2f} s"
    else:
        return
    raise VideoError(f"{source} is cut off: {lack}. Copy it again, or re-encode what is there.")
