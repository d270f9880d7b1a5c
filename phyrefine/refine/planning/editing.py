"""A critique edits the plan: statements move, change, come and go; nothing is told anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from phyrefine.errors import BadOutputError
from phyrefine.refine.json_text import number, text_of
from phyrefine.refine.planning.reading import plain_events
from phyrefine.refine.similarity import cue_overlap, cues
from phyrefine.types import Plan, PlanEvent, Violation

# Content words two statements share at least when one is the other's correction.
_SAME_STATEMENT = 0.6


@frozen
class Edit:
    """One change of a plan.

    Attributes:
        event: Number of the event, from 1; ``None`` for a new one.
        what: The statement as it should be; empty leaves it.
        start: Seconds after the seam; ``None`` leaves it.
        end: Seconds after the seam; ``None`` leaves it.
        remove: The event does not happen.
    """

    event: int | None
    what: str = ""
    start: float | None = None
    end: float | None = None
    remove: bool = False


def read_edits(listed: Any, *, seam: float) -> tuple[Edit, ...] | None:
    """The ``edits`` of a critique's reply; ``None`` when there is no such list.

    Raises:
        BadOutputError: An edit of the wrong shape.
    """
    if listed is None:
        return None
    if not isinstance(listed, list):
        raise BadOutputError(f'"edits" should be a list, not {type(listed).__name__}.')
    return tuple(_edit(item, seam) for item in listed)


def _edit(item: Any, seam: float) -> Edit:
    if not isinstance(item, Mapping):
        raise BadOutputError(f'Each of "edits" should be an object, not {item!r}.')
    place = number(item.get("event"), "event")
    times = [number(item.get(key), key) for key in ("start", "end")]
    start, end = (None if at is None else round(max(0.0, at - seam), 3) for at in times)
    edit = Edit(None if place is None else round(place), text_of(item, "what"), start, end,
                str(item.get("action", "")).strip().lower() in ("remove", "delete"))  # fmt: skip
    if edit.event is None and not edit.what:
        raise BadOutputError('An edit needs the number of an "event", or "what" happens.')
    return edit


def apply(
    plan: Plan, edits: Sequence[Edit], violations: Sequence[Violation]
) -> tuple[Plan, tuple[str, ...]]:
    """The plan with a critique's edits, and what they changed, in words.

    Events that the edits touch count as broken once more; so does the event nearest to each
    violation that no edit answers. Numbers are those of the plan before the edits; an edit of an
    event that is not there is told and left out.

    Args:
        plan: The plan of the clip that was criticized.
        edits: In any order.
        violations: What was seen wrong, for negative prompts and for what to stress.
    """
    events: dict[float, PlanEvent] = {i + 1.0: event for i, event in enumerate(plan.events)}
    changes = []
    for edit in edits:
        if edit.event is not None and edit.event not in events:
            changes.append(f"left out an edit of event {edit.event}: the plan has no such event")
        elif edit.event is None:
            spot = _spot(events, edit.start)
            events[spot] = PlanEvent(edit.what, edit.start, edit.end, 1)
            changes.append(f'added "{edit.what}"')
        elif edit.remove:
            changes.append(f'removed "{events.pop(float(edit.event)).what}"')
        else:
            old = events[float(edit.event)]
            new = _changed(old, edit)
            changes += _said(old, new)
            events[float(edit.event)] = new
    ordered = tuple(events[key] for key in sorted(events))
    if all(event.start is not None for event in ordered):
        ordered = tuple(sorted(ordered, key=lambda event: event.start or 0.0))
    edited = evolve(plan, events=ordered, avoid=_avoid(violations))
    return (edited if edits else stressed(edited, violations)), tuple(changes)


def _changed(old: PlanEvent, edit: Edit) -> PlanEvent:
    start = old.start if edit.start is None else edit.start
    end = old.end if edit.end is None else edit.end
    if end is not None and start is not None and end < start:
        end = None
    return PlanEvent(edit.what or old.what, start, end, old.broken + 1)


def _said(old: PlanEvent, new: PlanEvent) -> list[str]:
    found = []
    if new.what != old.what:
        found.append(f'changed "{old.what}" to "{new.what}"')
    if (new.start, new.end) != (old.start, old.end):
        found.append(f'moved "{new.what}" from {span(old)} to {span(new)}')
    return found or [f'stressed "{new.what}"']


def span(event: PlanEvent) -> str:
    """Its time in words."""
    if event.start is None:
        return "no stated time"
    return f"{event.start:g} s" if event.end is None else f"{event.start:g} to {event.end:g} s"


def _spot(events: Mapping[float, PlanEvent], start: float | None) -> float:
    """A key between those of the events around a time."""
    keys = sorted(events)
    before = [key for key in keys if start is None or (events[key].start or 0.0) <= start]
    last = before[-1] if before else 0.0
    later = next((key for key in keys if key > last), last + 1.0)
    return (last + later) / 2 if later > last else last + 1.0


def _avoid(violations: Sequence[Violation]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found.what for found in violations))


def stressed(plan: Plan, violations: Sequence[Violation]) -> Plan:
    """The event nearest to each violation counts as broken once more."""
    events = list(plan.events)
    for found in violations:
        shares = [_likeness(event, found) for event in events]
        if shares and max(shares) > 0:
            index = shares.index(max(shares))
            events[index] = evolve(events[index], broken=events[index].broken + 1)
    return evolve(plan, events=tuple(events))


def _likeness(event: PlanEvent, found: Violation) -> float:
    words = cues(f"{found.law} {found.what}")
    shared = len(words & cues(event.what)) / max(1, len(words))
    if found.start is None or event.start is None:
        return shared
    near = abs(found.start - event.start) < 0.5
    return shared + (0.2 if near and shared else 0.0)


def from_text(
    plan: Plan, corrected: str, violations: Sequence[Violation]
) -> tuple[Plan, tuple[str, ...]]:
    """The plan after a critique that gave a corrected description instead of edits.

    Sentences that the plan has keep their times and their wording's place; others are new. What
    the plan says stays unchanged is not told again as an event.

    Args:
        plan: The plan of the clip that was criticized.
        corrected: The description as it should have been, in sentences.
        violations: What was seen wrong.
    """
    events: list[PlanEvent] = []
    changes = []
    left = list(plan.events)
    for told in plain_events(corrected):
        if any(cue_overlap(told.what, kept) >= _SAME_STATEMENT for kept in plan.unchanged):
            continue
        old = max(left, key=lambda event: cue_overlap(event.what, told.what), default=None)
        if old is not None and cue_overlap(old.what, told.what) >= _SAME_STATEMENT:
            left.remove(old)
            events.append(evolve(old, what=told.what))
            if old.what != told.what:
                changes.append(f'changed "{old.what}" to "{told.what}"')
        else:
            events.append(evolve(told, broken=1 if violations else 0))
            changes.append(f'added "{told.what}"')
    changes += [f'removed "{event.what}"' for event in left]
    edited = evolve(plan, events=_with_neighbors_times(events), avoid=_avoid(violations))
    return stressed(edited, violations), tuple(changes)


def _with_neighbors_times(events: list[PlanEvent]) -> tuple[PlanEvent, ...]:
    """A new statement stands before the one it stresses, and gets that one's time."""
    timed = list(events)
    for index in range(len(timed) - 2, -1, -1):
        if timed[index].start is None and timed[index].broken:
            following = timed[index + 1]
            timed[index] = evolve(timed[index], start=following.start, end=following.end)
    return tuple(timed)
