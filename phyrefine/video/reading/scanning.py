"""Where a wanted part of a video lies: found from its packets, without decoding."""

from __future__ import annotations

import itertools
import math
from typing import Any

from attrs import evolve, frozen

from phyrefine.errors import VideoError
from phyrefine.video.reading.completeness import promised_seconds, refuse_short
from phyrefine.video.reading.request import Part
from phyrefine.video.reading.streams import Source, best_stream, opened, rates_of
from phyrefine.video.reading.timing import FALLBACK_FPS, Rates, even_grid

# Room for the frames around a part that are needed to place it exactly.
MARGIN_SECONDS = 0.15


@frozen
class Span:
    """A stretch of a stream.

    Attributes:
        start: Seconds by the file's own times (or by ``clock``) at which it begins.
        stop: Seconds at which it ends.
        clock: Frames per second by which frames are counted where the file's times are no use.
        times: When each frame in and around it starts, by the packets; empty if that is no use.
    """

    start: float = -math.inf
    stop: float = math.inf
    clock: float | None = None
    times: tuple[float, ...] = ()

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self.start == -math.inf and self.stop == math.inf


EVERYTHING = Span()


def find_part(source: Source, part: Part, *, trust_times: bool = True) -> Span:
    """Where ``part`` lies.

    Args:
        source: The file.
        part: What is wanted.
        trust_times: Go by the file's times where they make sense; else count frames.

    Raises:
        VideoError: The file is no video, is cut off, or has no frames there.
    """
    if part.whole and part.fps is None:
        return EVERYTHING
    with opened(source) as container:
        stream = best_stream(container, source.name)
        rates, promised = rates_of(stream), promised_seconds(stream, container)
        times, packets = _times(container, stream)
        indexed = len(stream.index_entries)
        clock = (
            None if trust_times and _usable(times) else rates.nominal or rates.coded or FALLBACK_FPS
        )
        if clock is not None:
            times = [index / clock for index in range(len(times))]
    if not times:
        raise VideoError(f"{source.name} holds no frames: it is empty or cut off.")
    if part.whole:
        return evolve(EVERYTHING, times=() if clock else tuple(times))
    end = times[-1] + _step(times, rates)
    shown = end - times[0]
    refuse_short(
        promised=promised, shown=shown, indexed=indexed, packets=packets, source=source.name
    )
    start = times[0] + part.start if part.start >= 0 else max(times[0], end + part.start)
    if start > end - _step(times, rates) / 2:
        raise VideoError(f"No frames from {part.start:g} s on: {source.name} has {shown:g} s.")
    stop = end if part.seconds is None else min(end, start + part.seconds)
    near = [time for time in times if start - MARGIN_SECONDS <= time < stop + MARGIN_SECONDS]
    return Span(start, stop, clock, tuple(near) if clock is None else ())


def _times(container: Any, stream: Any) -> tuple[list[float], int]:
    """When each shown frame starts, sorted (NaN where unsaid), and how many packets there are."""
    times, packets = [], 0
    for packet in container.demux(stream):
        if not packet.size:
            continue
        packets += 1
        if not packet.is_discard:
            said = packet.pts is not None
            times.append(float(packet.pts * packet.time_base) if said else math.nan)
    return sorted(times), packets


def _usable(times: list[float]) -> bool:
    return all(later > earlier for earlier, later in itertools.pairwise(times))


def _step(times: list[float], rates: Rates) -> float:
    if len(times) > 1:
        return (times[-1] - times[0]) / (len(times) - 1)
    return 1 / (rates.nominal or rates.coded or FALLBACK_FPS)


def measure(source: Source) -> tuple[float, int, float]:
    """(seconds, frames, frames per second on an even grid) of a file's best stream.

    Raises:
        VideoError: It cannot be read.
    """
    with opened(source) as container:
        stream = best_stream(container, source.name)
        rates = rates_of(stream)
        times, _ = _times(container, stream)
    if not times:
        return 0.0, 0, 0.0
    if not _usable(times):
        times = [
            index / (rates.nominal or rates.coded or FALLBACK_FPS) for index in range(len(times))
        ]
    shown, fps = even_grid(times, 0.0, rates)
    return len(shown) / fps, len(times), fps
