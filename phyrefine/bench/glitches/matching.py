"""Precision and recall of stretches of time, and what chance would give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import frozen

from phyrefine.bench.glitches.times import Span

SHIFTS = 100


@frozen
class Meeting:
    """How the times of one clip met.

    Attributes:
        met: Pairs of an annotated and a given time, each used once.
        given: Times that the critic gave.
        annotated: Times that people annotated.
        by_chance: Mean number of pairs when the critic's times are shifted at random.
        covered: Share of the clip that the critic's times cover.
    """

    met: int
    given: int
    annotated: int
    by_chance: float = 0.0
    covered: float = 0.0


def meet(
    given: Sequence[Span],
    annotated: Sequence[Span],
    *,
    tolerance: float,
    duration: float,
    seed: int = 0,
) -> Meeting:
    """Match the times of a critic with annotated ones, one to one.

    Two times meet if they are at most ``tolerance`` seconds apart. The chance level shifts all of
    the critic's times around the clip by the same random amount, 100 times: long times meet
    anything, and this shows it.

    Args:
        given: The critic's.
        annotated: People's.
        tolerance: Seconds.
        duration: Of the clip, in seconds.
        seed: Of the shifts.
    """
    random = np.random.default_rng(seed)
    shifted = [
        _pairs([_around(span, float(by), duration) for span in given], annotated, tolerance)
        for by in random.uniform(0, duration, SHIFTS)
    ]
    return Meeting(
        _pairs(given, annotated, tolerance),
        len(given),
        len(annotated),
        float(np.mean(shifted)) if given and annotated else 0.0,
        _covered(given, duration),
    )


def _pairs(given: Sequence[Span], annotated: Sequence[Span], tolerance: float) -> int:
    """The most pairs that meet (augmenting paths)."""
    near = [
        [at for at, other in enumerate(annotated) if _apart(span, other) <= tolerance + 1e-9]
        for span in given
    ]
    taken: dict[int, int] = {}

    def place(one: int, seen: set[int]) -> bool:
        for at in near[one]:
            if at in seen:
                continue
            seen.add(at)
            if at not in taken or place(taken[at], seen):
                taken[at] = one
                return True
        return False

    return sum(place(one, set()) for one in range(len(given)))


def _apart(one: Span, other: Span) -> float:
    return max(0.0, one.start - other.end, other.start - one.end)


def _around(span: Span, by: float, duration: float) -> Span:
    """Shifted around the clip: what would leave it at the end comes in at the start."""
    length = min(span.end - span.start, duration)
    start = (span.start + by) % max(duration - length, 1e-9)
    return Span(start, start + length)


def _covered(given: Sequence[Span], duration: float) -> float:
    reached, total = 0.0, 0.0
    for span in sorted(given):
        start, end = max(span.start, reached), min(span.end, duration)
        total += max(0.0, end - start)
        reached = max(reached, end)
    return total / duration if duration > 0 else 0.0
