"""Opening a file and choosing the stream that is the video."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import av
from attrs import frozen
from av.stream import Disposition

from phyrefine.errors import VideoError
from phyrefine.video.reading.pixels.alpha import AlphaDecoder, has_alpha
from phyrefine.video.reading.timing import Rates

# Rates beyond this are a container's clock, not a rate.
_ABSURD_FPS = 1000.0
_SIDE_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails
# Frames that the decoder's threads work on may take so much memory.
_THREADS_BYTES = 128 << 20
# A damaged packet may announce any size, and a decoder keeps up to 16 such frames that no limit of
# ours sees. No true frame is larger than 16K x 8K, nor much larger than its file says.
_MOST_PIXELS = 16384 * 8192
_GROWTH = 4
_SMALL_PIXELS = 4096 * 2304


@frozen
class Source:
    """A file on disk or in memory.

    Attributes:
        place: A path, or the bytes themselves.
        name: Name for messages.
    """

    place: Path | bytes
    name: str

    def open(self) -> IO[bytes]:
        """Its bytes, to look at."""
        return io.BytesIO(self.place) if isinstance(self.place, bytes) else self.place.open("rb")

    @property
    def head(self) -> bytes:
        """The first bytes, by which formats are known."""
        with self.open() as file:
            return file.read(4096)


@contextlib.contextmanager
def opened(source: Source) -> Iterator[Any]:
    """An ``av`` container, whatever bytes its metadata are made of.

    Raises:
        VideoError: FFmpeg cannot read it, now or within the block.
    """
    place = source.place
    file = io.BytesIO(place) if isinstance(place, bytes) else f"file:{place}"
    try:
        options = _at_most(_MOST_PIXELS)
        with av.open(file, options=options, metadata_errors="replace") as container:
            yield container
    except (av.FFmpegError, UnicodeError, OverflowError) as error:
        raise VideoError(
            f"{source.name} is not a readable video, or is cut off: {_reason(error)}. "
            "Check that it plays, or re-encode it."
        ) from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def best_stream(container: Any, source: str) -> Any:
    """The stream a player shows: the moving, default, largest one; never cover art.

    Raises:
        VideoError: There is none.
    """
    streams = [
        stream for stream in container.streams.video if not stream.disposition & _SIDE_PICTURES
    ]
    if not streams:
        kind = "holds only sound" if container.streams.audio else "holds no video"
        raise VideoError(f"{source} {kind}: pass a video file.")
    decodable = [stream for stream in streams if stream.codec_context is not None]
    if not decodable:
        raise VideoError(f"{source} uses a codec this PyAV does not know: re-encode it as H.264.")
    tiles = [stream for stream in decodable if stream.disposition & Disposition.dependent]
    if tiles and len(tiles) == len(decodable):
        raise VideoError(f"{source} {TILED}")
    return max(decodable, key=_rank)


TILED = (
    'is a picture made of tiles, which needs another reader: pip install "phyrefine[heic]", or '
    "convert it to JPEG or PNG."
)


def _rank(stream: Any) -> tuple[bool, bool, bool, int, int, int]:
    context = stream.codec_context
    frames = max(stream.frames, len(stream.index_entries))
    return (
        not stream.disposition & (Disposition.still_image | Disposition.dependent),
        frames != 1,
        bool(stream.disposition & Disposition.default),
        (context.width or 0) * (context.height or 0),
        frames,
        -stream.index,
    )


def rates_of(stream: Any) -> Rates:
    """What the container and the codec say of the stream's rate."""

    def rate(*values: Any) -> float:
        said = [float(value) for value in values if value]
        return next((value for value in said if value <= _ABSURD_FPS), 0.0)

    return Rates(
        rate(stream.average_rate, stream.guessed_rate, stream.base_rate),
        rate(stream.codec_context.framerate),
        float(stream.time_base or 0),
    )


def _threads(context: Any) -> int:
    """As many as there are cores, but each holds a frame of its own or more: 12 MB at 4K."""
    frame_bytes = max(1, 3 * (context.width or 0) * (context.height or 0) // 2)
    return max(1, min(os.cpu_count() or 1, _THREADS_BYTES // frame_bytes))


def frames_of(container: Any, stream: Any, counted: list[int]) -> Iterator[Any]:
    """The stream's frames in the order they are shown, with alpha where the file has it.

    Args:
        container: Open.
        stream: Of it.
        counted: The number of packets read so far is kept in its first place.
    """
    context = stream.codec_context
    said = (context.width or 0) * (context.height or 0)
    most = _at_most(min(_MOST_PIXELS, max(_SMALL_PIXELS, _GROWTH * said)))
    alpha = AlphaDecoder(stream, most) if has_alpha(stream) else None
    if alpha is None:
        context.options = {**context.options, **most}
        stream.thread_type = "AUTO"
        context.thread_count = _threads(context)
    for packet in container.demux(stream):
        counted[0] += packet.size > 0
        yield from packet.decode() if alpha is None else alpha.decode(packet)


def _at_most(pixels: int) -> dict[str, str]:
    """FFmpeg's option: a decoder refuses larger frames before it makes room for them."""
    return {"max_pixels": str(pixels)}
