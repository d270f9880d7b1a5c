"""Decoding the wanted part of a video, and no more than that."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import av
import numpy as np
from attrs import define, evolve, field
from numpy.typing import NDArray

from phyrefine.errors import VideoError
from phyrefine.video.collecting import Stack
from phyrefine.video.footage import Footage, refuse_too_large
from phyrefine.video.frames import resample_indices
from phyrefine.video.reading.completeness import promised_seconds, refuse_short
from phyrefine.video.reading.pixels.aperture import aperture_of
from phyrefine.video.reading.pixels.pictures import Pictures, pixel_aspect
from phyrefine.video.reading.request import Part
from phyrefine.video.reading.scanning import MARGIN_SECONDS, Span, find_part
from phyrefine.video.reading.streams import Source, best_stream, frames_of, opened, rates_of
from phyrefine.video.reading.timing import FALLBACK_FPS, Rates, even_grid

UInt8Array = NDArray[np.uint8]

REMEDY = (
    "Read a part, Clip.read(path, start=-3, seconds=3), fewer frames per second, Clip.read(path, "
    "fps=24), or smaller ones, Clip.read(path, size=(480, 854))."
)
# Decoding begins this long before the wanted part: seeking is not exact in every container.
_LEAD_SECONDS = 1.0
_MARGIN_FRAMES = 16


@define
class _Taken:
    """What was kept of a stream.

    Attributes:
        needed: Numbers of the frames whose pictures are kept; ``None`` keeps all.
        times: Of all frames in and around the part.
        places: Where the picture of each of these is in the stack; -1 if it was not kept.
    """

    stack: Stack
    pictures: Pictures
    needed: frozenset[int] | None = None
    times: list[float] = field(factory=list)
    places: list[int] = field(factory=list)
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
        if part.fps is not None:  # first keep every frame
            return read_video(source, evolve(part, fps=None))
    try:
        return _read(source, part, find_part(source, part, trust_times=False))
    except _DisorderError:
        raise VideoError(
            f"{source.name} is damaged: its frames come at other times than it says. Re-encode it."
        ) from None


class _DisorderError(Exception):
    """Frames come out at other times than their packets said."""


def _read(source: Source, part: Part, span: Span) -> Footage:
    with opened(source) as container:
        stream = best_stream(container, source.name)
        rates = rates_of(stream)
        promised = promised_seconds(stream, container)
        needed = _needed(span, rates, part)
        expected = len(needed) if needed else _expected(stream, span, promised, rates)
        size = part.size or (stream.codec_context.height, stream.codec_context.width)
        refuse_too_large(expected, size, source.name, REMEDY, limit=part.limit)
        context = stream.codec_context
        aperture = aperture_of(source, stream.id, (context.height, context.width))
        taken = _Taken(
            Stack(math.ceil(expected) + (0 if needed else _MARGIN_FRAMES)),
            Pictures(pixel_aspect(stream), part.size, aperture),
            needed,
        )
        if not span.everything and span.clock is None:
            _seek(container, stream, span)
        _decode(frames_of(container, stream, taken.packets), taken, span, source, part)
        if span.everything:
            _refuse_short_stream(stream, taken, promised, rates, source)
    return _even(taken, rates, span, source, part)


def _needed(span: Span, rates: Rates, part: Part) -> frozenset[int] | None:
    """Numbers of the frames near the part that a lower rate shows; ``None`` for all.

    Slow motion at 240 frames per second, read at 30, takes an eighth of the memory so.
    """
    if part.fps is None or not span.times:
        return None
    shown, fps = _shown(span.times, 0.0, rates, span)
    chosen = frozenset(shown[resample_indices(len(shown), fps, part.fps)].tolist())
    return chosen if len(chosen) < len(span.times) else None


def _shown(
    times: Sequence[float], last_seconds: float, rates: Rates, span: Span
) -> tuple[NDArray[np.intp], float]:
    """Which frame is shown at each tick of an even grid, cut to the span; frames per second."""
    shown, fps = even_grid(times, last_seconds, rates)
    if not span.everything:
        first = max(0, round((span.start - times[0]) * fps))
        shown = shown[first : first + max(1, round((span.stop - span.start) * fps))]
    return shown, fps


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
            if time < span.start - MARGIN_SECONDS:
                continue
            if time >= span.stop + MARGIN_SECONDS:
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
    taken.times.append(time)
    taken.last_seconds = float((frame.duration or 0) * (frame.time_base or 0))
    taken.corrupt += frame.is_corrupt
    if taken.needed is not None and len(taken.places) not in taken.needed:
        taken.places.append(-1)
        return
    picture = taken.pictures.picture(frame)
    stack = taken.stack
    if stack and picture.shape[:2] != stack.size:
        sizes = " to ".join(f"{w}x{h}" for h, w in (stack.size, picture.shape[:2]))
        raise VideoError(f"{source.name} changes its size midway ({sizes}): split it first.")
    refuse_too_large(len(stack) + 1, picture.shape[:2], source.name, REMEDY, limit=part.limit)
    taken.places.append(len(stack))
    stack.add(picture)


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
    shown, fps = _shown(taken.times, taken.last_seconds, rates, span)
    if taken.needed is not None and part.fps is not None:
        if len(taken.times) != len(span.times):
            raise _DisorderError
        shown, fps = shown[resample_indices(len(shown), fps, part.fps)], part.fps
    shown = np.asarray(taken.places, np.intp)[shown]
    if not len(shown):
        raise VideoError(f"{source.name} holds no frames there: it is damaged or cut off.")
    if shown.min() < 0:
        raise _DisorderError
    frames = taken.stack.whole()
    refuse_too_large(len(shown), frames.shape[1:3], source.name, REMEDY, limit=part.limit)
    if not np.array_equal(shown, np.arange(len(frames))):
        in_a_row = len(shown) == shown[-1] - shown[0] + 1
        frames = frames[shown[0] : shown[-1] + 1] if in_a_row else frames[shown]
    notes = dict(taken.pictures.notes)
    if taken.corrupt:
        notes["corrupt"] = f"{taken.corrupt} damaged frames"
    return Footage(frames, fps, source.name, tuple(notes.values()))
