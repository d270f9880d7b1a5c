"""Decoding the wanted part of a video, and no more than that."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from phyrefine.errors import VideoError
from phyrefine.video.collecting import Stack
from phyrefine.video.footage import Footage, refuse_too_large
from phyrefine.video.reading.completeness import promised_seconds, refuse_short
from phyrefine.video.reading.pictures import Pictures, pixel_aspect
from phyrefine.video.reading.request import Part
from phyrefine.video.reading.scanning import Span, find_part
from phyrefine.video.reading.streams import Source, best_stream, frames_of, opened, rates_of
from phyrefine.video.reading.timing import FALLBACK_FPS, Rates, even_grid

UInt8Array = NDArray[np.uint8]

REMEDY = (
    "Read a part, Clip.read(path, start=-3, seconds=3), or smaller frames, Clip.read(path, "
    "size=(480, 854))."
)
# Decoding begins this long before the wanted part: seeking is not exact in every container.
_LEAD_SECONDS = 1.0
# Room for the frames around a part that are needed to place it exactly.
_MARGIN_SECONDS = 0.15
_MARGIN_FRAMES = 16


@define
class _Taken:
    """What was kept of a stream."""

    stack: Stack
    pictures: Pictures
    times: list[float] = field(factory=list)
    last_seconds: float = 0.0
    decoded: int = 0
    corrupt: int = 0
    packets: list[int] = field(factory=lambda: [0])


def read_video(source: Source, part: Part) -> Footage:
    """The wanted part of a file's best stream.

    Raises:
        VideoError: Not a video, damaged, cut off, too large, or without frames in the part.
    """
    try:
        return _read(source, part, find_part(source, part))
    except _DisorderError:
        return _read(source, part, find_part(source, part, trust_times=False))


class _DisorderError(Exception):
    """Frames come out at other times than their packets said."""


def _read(source: Source, part: Part, span: Span) -> Footage:
    with opened(source) as container:
        stream = best_stream(container, source.name)
        rates = rates_of(stream)
        promised = promised_seconds(stream, container)
        expected = _expected(stream, span, promised, rates)
        size = part.size or (stream.codec_context.height, stream.codec_context.width)
        refuse_too_large(expected, size, source.name, REMEDY, limit=part.limit)
        taken = _Taken(
            Stack(math.ceil(expected) + _MARGIN_FRAMES), Pictures(pixel_aspect(stream), part.size)
        )
        if not span.everything and span.clock is None:
            _seek(container, stream, span)
        _decode(frames_of(container, stream, taken.packets), taken, span, source, part)
        if span.everything:
            _refuse_short_stream(stream, taken, promised, rates, source)
    return _even(taken, rates, span, source, part)


def _expected(stream: Any, span: Span, promised: float | None, rates: Rates) -> float:
    """How many frames there will be, as far as anyone knows; 0 if nobody does."""
    rate = rates.nominal or rates.coded
    if not span.everything:
        return (span.stop - span.start) * (rate or FALLBACK_FPS)
    return float(stream.frames or (promised or 0.0) * rate)


def _seek(container: Any, stream: Any, span: Span) -> None:
    aim = span.start - _LEAD_SECONDS
    if aim <= 0:
        return
    try:
        container.seek(round(aim / stream.time_base), stream=stream, backward=True)
    except av.FFmpegError:
        return  # decoded from the beginning then


def _decode(frames: Iterator[Any], taken: _Taken, span: Span, source: Source, part: Part) -> None:
    try:
        for index, frame in enumerate(frames):
            taken.decoded += 1
            time = _time(frame, index, span)
            if time < span.start - _MARGIN_SECONDS:
                continue
            if time >= span.stop + _MARGIN_SECONDS:
                break
            _keep(frame, time, taken, source, part)
    except av.FFmpegError as error:
        raise VideoError(
            f"{source.name} is damaged after {taken.decoded} frames: {error.strerror}. "
            "Copy it again, or re-encode it."
        ) from error
    if not taken.times:
        raise VideoError(f"{source.name} holds no frames: it is empty or cut off.")


def _time(frame: Any, index: int, span: Span) -> float:
    if span.clock is not None:
        return index / span.clock
    if frame.time is not None:
        return float(frame.time)
    if not span.everything:
        raise _DisorderError
    return math.nan


def _keep(frame: Any, time: float, taken: _Taken, source: Source, part: Part) -> None:
    picture = taken.pictures.picture(frame)
    stack = taken.stack
    if stack and picture.shape[:2] != stack.size:
        sizes = " to ".join(f"{w}x{h}" for h, w in (stack.size, picture.shape[:2]))
        raise VideoError(f"{source.name} changes its size midway ({sizes}): split it first.")
    refuse_too_large(len(stack) + 1, picture.shape[:2], source.name, REMEDY, limit=part.limit)
    stack.add(picture)
    taken.times.append(time)
    taken.last_seconds = float((frame.duration or 0) * (frame.time_base or 0))
    taken.corrupt += frame.is_corrupt


def _refuse_short_stream(
    stream: Any, taken: _Taken, promised: float | None, rates: Rates, source: Source
) -> None:
    rate = rates.nominal or rates.coded
    shown = max(taken.times) - min(taken.times) + (1 / rate if rate else 0)
    if math.isnan(shown):
        shown = len(taken.times) / (rate or FALLBACK_FPS)
    refuse_short(
        promised=promised,
        shown=shown,
        indexed=len(stream.index_entries),
        packets=taken.packets[0],
        source=source.name,
    )


def _even(taken: _Taken, rates: Rates, span: Span, source: Source, part: Part) -> Footage:
    """The taken frames on an even grid, cut to the span."""
    if not span.everything and span.clock is None and np.diff(taken.times).min(initial=1) <= 0:
        raise _DisorderError
    shown, fps = even_grid(taken.times, taken.last_seconds, rates)
    if not span.everything:
        first = max(0, round((span.start - taken.times[0]) * fps))
        shown = shown[first : first + max(1, round((span.stop - span.start) * fps))]
    frames = taken.stack.whole()
    refuse_too_large(len(shown), frames.shape[1:3], source.name, REMEDY, limit=part.limit)
    if not np.array_equal(shown, np.arange(len(frames))):
        in_a_row = len(shown) == shown[-1] - shown[0] + 1
        frames = frames[shown[0] : shown[-1] + 1] if in_a_row else frames[shown]
    notes = dict(taken.pictures.notes)
    if taken.corrupt:
        notes["corrupt"] = f"{taken.corrupt} damaged frames"
    return Footage(frames, fps, source.name, tuple(notes.values()))
