"""Geometry of the violations' time line, in units of its SVG view box; a template draws it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from phyrefine.report.axis import Tick, marks
from phyrefine.types import Attempt, Plan, Refinement, Violation

TIMELINE_WIDTH = 1000.0
GUTTER = 116.0
ROW = 15.0
PLAN_ROW = 7.0
LANE_GAP = 9.0
AXIS = 24.0


@frozen
class Bar:
    """A violation on the time line.

    Attributes:
        x: Left edge.
        y: Top edge.
        width: Width.
        violation: What it stands for.
        timed: The critic gave a start; other bars span the whole continuation.
    """

    x: float
    y: float
    width: float
    violation: Violation
    timed: bool


@frozen
class PlanBar:
    """An event of the plan on the time line.

    Attributes:
        x: Left edge.
        y: Top edge.
        width: Width.
        what: The statement.
        span: Its time in words.
        timed: The plan gives a start; others share the time between their neighbors.
        changed: It is not in the plan before, or has another time there.
        broken: How many loops showed it broken.
    """

    x: float
    y: float
    width: float
    what: str
    span: str
    timed: bool
    changed: bool
    broken: int


@frozen
class Lane:
    """One attempt's violations, and below them the plan its prompt was made from."""

    position: int
    title: str
    y: float
    height: float
    bars: tuple[Bar, ...]
    plan: tuple[PlanBar, ...] = ()


@frozen
class Timeline:
    """Violations of all attempts over the seconds of the prefix and the continuation."""

    width: float
    height: float
    left: float
    seam: float
    lead: float
    end: float
    ticks: tuple[Tick, ...]
    lanes: tuple[Lane, ...]


def lead_seconds(refinement: Refinement) -> float:
    """Seconds of prefix shown before the seam; an image has none."""
    prefix = refinement.scenario.prefix
    return prefix.duration if prefix is not None and len(prefix) > 1 else 0.0


def titles(attempts: Sequence[Attempt]) -> tuple[str, ...]:
    """What a reader calls each attempt; step counts tell several chains apart."""
    indices = [attempt.index for attempt in attempts if not attempt.baseline]
    several = len(set(indices)) < len(indices)
    return tuple(_title(attempt, several=several) for attempt in attempts)


def _title(attempt: Attempt, *, several: bool) -> str:
    if attempt.baseline:
        return "Plain description"
    steps = attempt.candidates[0].steps if attempt.candidates else None
    return f"Loop {attempt.index}{f' @{steps}' if several and steps is not None else ''}"


def timeline(refinement: Refinement) -> Timeline:
    """The time line of a run; lanes in the order of the attempts."""
    lead, end = lead_seconds(refinement), refinement.scenario.seconds
    scale = (TIMELINE_WIDTH - GUTTER - 8) / (lead + end)

    def across(seconds: float) -> float:
        return GUTTER + (min(max(seconds, -lead), end) + lead) * scale

    lanes, y = [], AXIS
    before: Plan | None = None
    names = titles(refinement.attempts)
    for position, attempt in enumerate(refinement.attempts):
        critique = attempt.critique
        found = (*critique.violations, *critique.fixed) if critique is not None else ()
        bars, rows = _pack(found, y, across, end)
        plan = attempt.prompt.plan
        told = _plan_bars(plan, before, y + rows * ROW, across, end) if plan is not None else ()
        height = rows * ROW + len(told) * PLAN_ROW
        lanes.append(Lane(position, names[position], y, height, bars, told))
        y += height + LANE_GAP
        before = plan
    shown = marks(-lead, end, 10)
    ticks = tuple(Tick(across(mark), f"{mark:g}".replace("-", "−")) for mark in shown)
    return Timeline(TIMELINE_WIDTH, y, GUTTER, across(0.0), lead, end, ticks, tuple(lanes))


def _plan_bars(
    plan: Plan, before: Plan | None, top: float, across: Callable[[float], float], end: float
) -> tuple[PlanBar, ...]:
    """A row for each event, in order of time."""
    known = {(event.what, event.start, event.end) for event in before.events} if before else None
    bars = []
    for row, (event, timed) in enumerate(zip(plan.events, plan.timed(end).events, strict=True)):
        x = across(timed.start or 0.0)
        bars.append(
            PlanBar(
                x,
                top + row * PLAN_ROW,
                max(across(timed.end or 0.0) - x, 3.0),
                event.what,
                f"{timed.start:g} to {timed.end:g} s",
                event.start is not None,
                known is not None and (event.what, event.start, event.end) not in known,
                event.broken,
            )
        )
    return tuple(bars)


def _pack(
    found: Sequence[Violation], top: float, across: Callable[[float], float], end: float
) -> tuple[tuple[Bar, ...], int]:
    """Bars in as few rows as keep them apart."""
    free: list[float] = []
    bars = []
    for violation in sorted(found, key=lambda item: (item.start is not None, item.start or 0.0)):
        timed = violation.start is not None
        start = violation.start or 0.0
        stop = violation.end if violation.end is not None else (start if timed else end)
        x = min(across(start), across(end) - 6)
        width = max(across(stop) - x, 6.0)
        row = next((index for index, edge in enumerate(free) if edge <= x), len(free))
        if row == len(free):
            free.append(0.0)
        free[row] = x + width + 3
        bars.append(Bar(x, top + row * ROW, width, violation, timed))
    return tuple(bars), max(1, len(free))
