"""A plan from a VLM's reply; free text works as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from phyrefine.errors import BadOutputError
from phyrefine.refine.dialects.wording import sentences
from phyrefine.refine.json_text import number, text_of
from phyrefine.types import Plan, PlanEvent, PlanObject

MAX_STATEMENTS = 60


def read_plan(reply: Mapping[str, Any], *, seam: float, description: str = "") -> Plan:
    """The plan in a reply to ``predict_plan.schema.json``.

    Keys that are missing leave their part empty. Without events, the sentences of the prediction
    are the events, in their order and without times.

    Args:
        reply: The parsed reply.
        seam: Seconds of the video shown at which the new part begins; subtracted from times.
        description: D.

    Raises:
        BadOutputError: Events or objects of the wrong shape, or neither events nor a prediction.
    """
    prediction = text_of(reply, "prediction")
    events = read_events(reply.get("events"), seam=seam) or plain_events(prediction)
    if not events:
        raise BadOutputError('The keys "events" and "prediction" are both missing or empty.')
    return Plan(
        description=description,
        scene=text_of(reply, "scene"),
        camera=text_of(reply, "camera"),
        objects=tuple(_object(item) for item in _listed(reply, "objects")),
        events=events,
        end=text_of(reply, "end"),
        unchanged=tuple(str(item).strip() for item in _listed(reply, "unchanged") if item),
        laws=tuple(str(item).strip() for item in _listed(reply, "laws") if item),
    )


def read_events(listed: Any, *, seam: float) -> tuple[PlanEvent, ...]:
    """Events with times after the seam, in order of time where times are given.

    Raises:
        BadOutputError: Not a list, or a time that is no number.
    """
    if listed is None:
        return ()
    if not isinstance(listed, list):
        raise BadOutputError(f'"events" should be a list, not {type(listed).__name__}.')
    found = [_event(item) for item in listed[:MAX_STATEMENTS]]
    events = [event for event in found if event is not None]
    starts = [event.start for event in events if event.start is not None]
    if starts and max(starts) < seam:
        seam = 0.0  # the model counted from the seam already
    moved = [_after(event, seam) for event in events]
    if all(event.start is not None for event in moved):
        moved.sort(key=lambda event: event.start or 0.0)
    return tuple(moved)


def _event(item: Any) -> PlanEvent | None:
    if isinstance(item, str):
        item = {"what": item}
    if not isinstance(item, Mapping):
        raise BadOutputError(f'Each of "events" should be an object, not {item!r}.')
    what = text_of(item, "what")
    start = number(item.get("start", item.get("at")), "start")
    end = number(item.get("end"), "end")
    if start is not None and end is not None and end < start:
        start, end = end, start
    return PlanEvent(what, start, end) if what else None


def _after(event: PlanEvent, seam: float) -> PlanEvent:
    start, end = (
        None if at is None else round(max(0.0, at - seam), 3) for at in (event.start, event.end)
    )
    return evolve(event, start=start, end=end)


def plain_events(text: str) -> tuple[PlanEvent, ...]:
    """An event for each sentence of a text, without times."""
    return tuple(PlanEvent(part) for part in sentences(text)[:MAX_STATEMENTS])


def _object(item: Any) -> PlanObject:
    if isinstance(item, str):
        return PlanObject(item.strip())
    if not isinstance(item, Mapping):
        raise BadOutputError(f'Each of "objects" should be an object, not {item!r}.')
    return PlanObject(
        text_of(item, "name", needed=True),
        text_of(item, "material"),
        text_of(item, "place"),
        text_of(item, "motion"),
    )


def _listed(reply: Mapping[str, Any], key: str) -> list[Any]:
    value = reply.get(key) or []
    if isinstance(value, str):
        return sentences(value)
    if not isinstance(value, list):
        raise BadOutputError(f'"{key}" should be a list, not {type(value).__name__}.')
    return value[:MAX_STATEMENTS]
