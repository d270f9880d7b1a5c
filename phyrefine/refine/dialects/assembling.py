"""A prompt made from a plan by a dialect's template: no model is asked."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from typing import Any

import jinja2
from attrs import evolve, frozen

from phyrefine.errors import InvalidInputError
from phyrefine.refine.dialects.dialect import Dialect
from phyrefine.types import Plan, Statement
from phyrefine.types.plan import Kind

# What is dropped first when a limit binds. The description is never dropped.
_IMPORTANCE: dict[Kind, int] = {
    "law": 0, "camera": 1, "scene": 2, "unchanged": 3, "object": 4, "end": 5, "event": 7,
}  # fmt: skip
_NEEDED_MOTION = 8
_BROKEN = 9


@frozen
class Setting:
    """What a template must know beside the plan.

    Attributes:
        seconds: Length of what the prompt is for.
        fps: The model's frames per second, for frame ranges.
        needs_motion: The model sees too little of the prefix to know how things move.
        following: What comes after, for a prompt per chunk; empty for the last.
    """

    seconds: float
    fps: float = 24.0
    needs_motion: bool = False
    following: str = ""


def assemble(plan: Plan, dialect: Dialect, setting: Setting) -> str:
    """A prompt from the statements of ``plan`` that the dialect has a place for.

    Args:
        plan: What to say.
        dialect: How to say it.
        setting: What the template must know.

    Raises:
        InvalidInputError: The dialect's template is wrong.
    """
    said = plan.without(*(item.key for item in plan.statements() if item.kind not in dialect.says))
    timed = said.timed(setting.seconds)
    values: dict[str, Any] = {
        "plan": timed,
        "seconds": setting.seconds,
        "fps": setting.fps,
        "following": setting.following,
        "timeline": [
            {
                "frames": f"{round((event.start or 0.0) * setting.fps)}-"
                f"{round((event.end or 0.0) * setting.fps)}",
                "seconds": f"{event.start or 0.0:.1f}-{event.end or 0.0:.1f}",
                "what": sentence(event.what),
            }
            for event in timed.events
        ],
    }
    try:
        text = _template(dialect.template).render(**values)
    except jinja2.TemplateError as error:
        raise InvalidInputError(
            f"The template of the dialect {dialect.name!r} cannot be used: {error}."
        ) from error
    return text.strip() if dialect.kind == "json" else " ".join(text.split())


def fit(
    plan: Plan, ranked: Sequence[Statement], fits: Callable[[Plan], bool]
) -> tuple[Plan, tuple[Statement, ...]]:
    """Drop the least important statements until the plan fits.

    Args:
        plan: What to say.
        ranked: Statements that may be dropped, least important first.
        fits: Whether what is left of the plan fits.

    Returns:
        (what is left, what was dropped, least important first). When nothing but the description
        is left it may still be too long.
    """
    dropped: tuple[Statement, ...] = ()
    left = plan
    for item in ranked:
        if fits(left):
            break
        dropped = (*dropped, item)
        left = plan.without(*(gone.key for gone in dropped))
    return left, dropped


def ranking(plan: Plan, dialect: Dialect, *, needs_motion: bool) -> list[Statement]:
    """Statements that may be dropped, least important first.

    What was seen broken stays longest; within one kind the last goes first.
    """

    def weight(item: Statement) -> tuple[int, int]:
        grade = _IMPORTANCE[item.kind]
        if item.kind == "object" and needs_motion:
            grade = _NEEDED_MOTION
        if item.kind == "event" and plan.events[item.index].broken:
            grade = _BROKEN + plan.events[item.index].broken
        return grade, -item.index

    droppable = [
        item
        for item in plan.statements()
        if item.kind in dialect.says and item.kind != "description"
    ]
    return sorted(droppable, key=weight)


def sentence(text: str) -> str:
    """With a capital first letter and a full stop."""
    text = " ".join(text.split())
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")


@functools.cache
def _environment() -> jinja2.Environment:
    # A dialect's file may come from a stranger: its template gets values, and no way to code.
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,
    )
    environment.filters["sentence"] = sentence
    environment.filters["json"] = lambda value: json.dumps(value, ensure_ascii=False, indent=1)
    return environment


@functools.lru_cache(maxsize=64)
def _template(text: str) -> jinja2.Template:
    # Compiled once: each prompt is assembled several times until it fits.
    return _environment().from_string(text)


def part_of(plan: Plan, start: float, end: float, *, seconds: float) -> Plan:
    """The plan of one chunk: the standing scene and what happens between two instants.

    A chunk in which nothing is said to happen goes on with what happened last. Times of the events
    are counted from the chunk's start; the end state belongs to the last chunk, and motion at the
    seam to the first.

    Args:
        plan: The whole plan.
        start: Seconds after the seam.
        end: Seconds after the seam.
        seconds: Length of the whole continuation.
    """
    timed = plan.timed(seconds).events
    here = [e for e in timed if overlaps(e.start or 0.0, e.end or 0.0, start, end)]
    here = here or [e for e in timed if (e.start or 0.0) < end][-1:]
    events = tuple(
        evolve(
            event,
            start=max(0.0, round((event.start or 0.0) - start, 2)),
            end=min(end - start, max(0.0, round((event.end or 0.0) - start, 2))),
        )
        for event in here
    )
    last = end >= seconds - 1e-6
    objects = plan.objects if start <= 0 else ()
    return evolve(plan, events=events, end=plan.end if last else "", objects=objects)


def overlaps(begin: float, stop: float, start: float, end: float) -> bool:
    """Whether a span touches a chunk by more than a tenth of a second, or lies in it whole."""
    shared = min(stop, end) - max(begin, start)
    return shared > 0.1 or (start <= begin < end and shared > min(0.1, stop - begin) - 1e-6)
