"""Encoding frames with FFmpeg, tagged so that every reader takes the colors the same way."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import IO, Any

import av
import numpy as np
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    VideoReformatter,
)
from numpy.typing import NDArray

from phyrefine.video.footage import Frames
from phyrefine.video.writing.encodings import Encoding

UInt8Array = NDArray[np.uint8]

# ITU-T H.273's number of the BT.601 matrix. BT.601 and not 709: readers that honor the tag are
# right with either, those that ignore it (OpenCV) are right only with this one.
_BT601 = 6


def encode(frames: Frames, fps: float, target: str | IO[bytes], how: Encoding) -> None:
    """Encode frames, uint8 [T, H, W, 3], into a path or a buffer."""
    height, width = frames.shape[1:3]
    if how.is_yuv:
        height, width = height + height % 2, width + width % 2
    rate = Fraction(fps).limit_denominator(100_000)
    # The index goes to the front, so that a file plays while it loads; it takes a second pass
    # over the file, which memory does not offer.
    in_front = how.form == "mp4" and isinstance(target, str)
    options = {"movflags": "+faststart"} if in_front else {}
    with av.open(target, "w", format=how.form, container_options=options) as container:
        stream: Any = container.add_stream(how.codec, rate=rate, options=how.options)
        stream.height, stream.width, stream.pix_fmt = height, width, how.pixels
        if how.codec in ("libx264", "libx264rgb"):
            stream.codec_context.thread_count = 0
        if how.is_yuv:
            _tag(stream.codec_context)
        pictures = _palette(frames, rate) if how.form == "gif" else _pictures(frames, rate, how)
        for picture in pictures:
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _tag(context: Any) -> None:
    context.colorspace = _BT601
    context.color_range = ColorRange.MPEG
    context.color_primaries = ColorPrimaries.BT709
    context.color_trc = ColorTrc.BT709


def _even_size(frame: UInt8Array) -> UInt8Array:
    odd_h, odd_w = frame.shape[0] % 2, frame.shape[1] % 2
    if not odd_h and not odd_w:
        return frame
    return np.pad(frame, ((0, odd_h), (0, odd_w), (0, 0)), mode="edge")


def _pictures(frames: Frames, rate: Fraction, how: Encoding) -> Iterator[Any]:
    # One converter for all frames, without threads: setting those up takes longer than the work.
    converter = VideoReformatter()
    for index, frame in enumerate(frames):
        picture = rgb_frame(_even_size(frame) if how.is_yuv else frame)
        if how.is_yuv:
            picture = converter.reformat(
                picture,
                format=how.pixels,
                dst_colorspace=Colorspace.ITU601,
                dst_color_range=ColorRange.MPEG,
                dst_color_primaries=ColorPrimaries.BT709,
                dst_color_trc=ColorTrc.BT709,
                interpolation="BICUBIC",
                threads=1,
            )
        picture.pts, picture.time_base = index, 1 / rate
        yield picture


def rgb_frame(frame: UInt8Array) -> Any:
    """An ``av.VideoFrame`` of uint8 [H, W, 3]."""
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")


def _palette(frames: Frames, rate: Fraction) -> Iterator[Any]:
    """One palette for the whole GIF, by FFmpeg's palettegen and paletteuse."""
    graph = av.filter.Graph()
    template = rgb_frame(next(iter(frames)))
    source = graph.add_buffer(
        width=template.width, height=template.height, format=template.format, time_base=1 / rate
    )
    split, make = graph.add("split"), graph.add("palettegen", "stats_mode=full")
    use, sink = graph.add("paletteuse", "dither=none"), graph.add("buffersink")
    source.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(make, 1, 0)
    make.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    for index, frame in enumerate(frames):
        picture = rgb_frame(frame)
        picture.pts, picture.time_base = index, 1 / rate
        graph.push(picture)
    graph.push(None)
    for _ in range(frames.shape[0]):
        yield graph.pull()
