"""Geometry of the two small charts: violations per attempt, and the selector's scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

from attrs import frozen

from phyrefine.report.axis import Tick, marks, nice_step
from phyrefine.report.figures import titles
from phyrefine.types import Attempt, Refinement, Status, pick_key

CHART_WIDTH, CHART_HEIGHT = 460.0, 190.0
CHART_LEFT, CHART_TOP, CHART_BOTTOM = 44.0, 18.0, 30.0


@frozen
class Segment:
    """A piece of a stacked column; ``status`` names what is counted."""

    y: float
    height: float
    status: Status
    count: int


@frozen
class Column:
    """Violations of one attempt, stacked."""

    x: float
    width: float
    label: str
    total: int
    segments: tuple[Segment, ...]
    judged: bool


@frozen
class Columns:
    """Violations per attempt: new and persisting stacked."""

    width: float
    height: float
    left: float
    base: float
    columns: tuple[Column, ...]
    ticks: tuple[Tick, ...]


def violation_columns(attempts: Sequence[Attempt]) -> Columns:
    """How many violations each attempt has; attempts without a critique are marked so."""
    totals = [len(item.critique.violations) if item.critique else 0 for item in attempts]
    base, usable = CHART_HEIGHT - CHART_BOTTOM, CHART_HEIGHT - CHART_BOTTOM - CHART_TOP
    step = max(1.0, nice_step(max([1, *totals]), 4))
    top = step * math.ceil(max([1, *totals]) / step)
    slot = (CHART_WIDTH - CHART_LEFT - 8) / max(1, len(attempts))
    columns, names = [], short_titles(attempts)
    for index, attempt in enumerate(attempts):
        found = attempt.critique.violations if attempt.critique else ()
        segments, y = [], base
        for status in (Status.PERSISTING, Status.NEW):
            count = sum(item.status is status for item in found)
            height = count / top * usable
            y -= height
            if count:
                segments.append(Segment(y, height, status, count))
        columns.append(
            Column(
                x=CHART_LEFT + slot * (index + 0.5),
                width=min(56.0, slot * 0.6),
                label=names[index],
                total=totals[index],
                segments=tuple(segments),
                judged=attempt.critique is not None,
            )
        )
    shown = [mark * step for mark in range(round(top / step) + 1)]
    ticks = tuple(Tick(base - mark / top * usable, f"{mark:g}") for mark in shown)
    return Columns(CHART_WIDTH, CHART_HEIGHT, CHART_LEFT, base, tuple(columns), ticks)


def short_titles(attempts: Sequence[Attempt]) -> tuple[str, ...]:
    """The attempts' names under a chart."""
    return tuple(
        "plain" if attempt.baseline else name.removeprefix("Loop ")
        for attempt, name in zip(attempts, titles(attempts), strict=True)
    )


@frozen
class Dot:
    """One clip's score."""

    x: float
    y: float
    score: float
    label: str
    chosen: bool


@frozen
class Scores:
    """The selector's scores of all clips of the pool.

    Attributes:
        width: Of the view box.
        height: Of the view box.
        left: Left edge of the plot.
        base: Bottom edge of the plot.
        dots: One per scored clip.
        names: One per attempt.
        ticks: Of the score axis.
        noise: Height of the band of +- one spread around the winner; 0 if not measured.
    """

    width: float
    height: float
    left: float
    base: float
    dots: tuple[Dot, ...]
    names: tuple[Tick, ...]
    ticks: tuple[Tick, ...]
    noise: float


def selector_scores(refinement: Refinement) -> Scores | None:
    """The chart of scores, or ``None`` when the selector gave none."""
    choice = refinement.choice
    if choice is None or not choice.scores:
        return None
    values = list(choice.scores.values())
    low, high = min(values), max(values)
    pad = max(high - low, choice.noise or 0.0, abs(high) * 0.02, 1e-9) * 0.15
    low, high = low - pad, high + pad
    base, usable = CHART_HEIGHT - CHART_BOTTOM, CHART_HEIGHT - CHART_BOTTOM - CHART_TOP

    def up(score: float) -> float:
        return base - (score - low) / (high - low) * usable

    slot = (CHART_WIDTH - CHART_LEFT - 8) / len(refinement.attempts)
    dots, names = [], []
    full, short = titles(refinement.attempts), short_titles(refinement.attempts)
    for position, attempt in enumerate(refinement.attempts):
        middle = CHART_LEFT + slot * (position + 0.5)
        names.append(Tick(middle, short[position]))
        spread = min(14.0, slot * 0.7 / max(1, len(attempt.candidates)))
        for index in range(len(attempt.candidates)):
            key = f"{position}.{index}"
            if key not in choice.scores:
                continue
            x = middle + (index - (len(attempt.candidates) - 1) / 2) * spread
            score = choice.scores[key]
            label = f"{full[position]}, candidate {index + 1}: {score:.4g}"
            dots.append(Dot(x, up(score), score, label, key == pick_key(choice.pick)))
    ticks = tuple(Tick(up(mark), f"{mark:.6g}") for mark in marks(low, high, 4))
    noise = (choice.noise or 0.0) / (high - low) * usable
    return Scores(
        CHART_WIDTH, CHART_HEIGHT, CHART_LEFT, base, tuple(dots), tuple(names), ticks, noise
    )
