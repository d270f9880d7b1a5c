"""VP8 and VP9 with transparency: WebM keeps it as a second stream beside each packet.

FFmpeg's own decoders leave it out. libvpx reads it, but makes room for any picture size that a
damaged packet announces, so both streams go through FFmpeg's own decoders here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import av
import numpy as np

from phyrefine.errors import VideoError

_SIDE_DATA = "matroska_block_additional"
# WebM container guidelines, "Alpha channel": the number of the addition, 8 bytes, comes first.
_NUMBER_BYTES = 8
_FORMATS = {"yuv420p": "yuva420p", "yuv422p": "yuva422p", "yuv444p": "yuva444p"}


def has_alpha(stream: Any) -> bool:
    """Whether the file says that the stream's packets carry transparency."""
    return stream.metadata.get("alpha_mode") == "1" and stream.codec_context.name in ("vp8", "vp9")


class AlphaDecoder:
    """Decodes the packets of one stream to frames with an alpha plane.

    Args:
        stream: With transparency.
        options: Of both decoders.
    """

    def __init__(self, stream: Any, options: Mapping[str, str]) -> None:
        self.time_base = stream.time_base
        self.color, self.alpha = (_decoder(stream, options) for _ in range(2))

    def decode(self, packet: Any) -> Iterator[Any]:
        """Frames of the packet; one without transparency of its own is opaque.

        Raises:
            VideoError: The two streams do not fit together.
        """
        addition = _addition(packet)
        shown = self.color.decode(packet if packet.size else None)
        through = self.alpha.decode(addition) if addition is not None else []
        for number, frame in enumerate(shown):
            frame.time_base = self.time_base
            yield _joined(frame, through[number]) if number < len(through) else frame


def _decoder(stream: Any, options: Mapping[str, str]) -> Any:
    context = av.CodecContext.create(stream.codec_context.name, "r")
    context.extradata = stream.codec_context.extradata
    context.options = dict(options)
    # A packet must give its frame at once, so that color and transparency stay together.
    context.thread_count = 1
    return context


def _addition(packet: Any) -> Any:
    for data in packet.iter_sidedata() if packet.size else ():
        if data.data_type == _SIDE_DATA and data.data_size > _NUMBER_BYTES:
            return av.Packet(bytes(data)[_NUMBER_BYTES:])
    return None


def _joined(frame: Any, through: Any) -> Any:
    """The frame with the other's brightness as its alpha plane."""
    form = _FORMATS.get(frame.format.name)
    if form is None or (through.width, through.height) != (frame.width, frame.height):
        raise VideoError(
            f"Transparency of {through.width}x{through.height} does not fit a frame of "
            f"{frame.width}x{frame.height} ({frame.format.name}): re-encode the video."
        )
    joined = av.VideoFrame(frame.width, frame.height, form)
    for target, plane in zip(joined.planes, (*frame.planes, through.planes[0]), strict=True):
        rows = np.zeros((target.height, target.line_size), np.uint8)
        given = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        rows[:, : target.width] = given[: target.height, : target.width]
        target.update(rows.tobytes())
    joined.pts, joined.time_base = frame.pts, frame.time_base
    for name in ("colorspace", "color_range", "color_trc", "color_primaries"):
        setattr(joined, name, getattr(frame, name))
    return joined
