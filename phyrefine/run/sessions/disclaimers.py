"""What backends have to say about themselves before anybody believes a result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from phyrefine.types import Scenario

# Wrapped backends, and the models inside selectors and scorers.
_INSIDE = (
    "backend",
    "function",
    "vlm",
    "judge",
    "scorer",
    "scorers",
    "parts",
    "selector",
    "generator",
    "critic",
)


def disclaimers_of(backends: Iterable[object], scenario: Scenario) -> tuple[str, ...]:
    """Every disclaimer once, in order.

    A backend that has one offers ``disclaimer(scenario) -> str | None``.

    Args:
        backends: Generators, VLMs, LLMs, selectors; what they wrap or hold is asked too.
        scenario: What was asked for.
    """
    found = (said for backend in backends for said in _said(backend, scenario, depth=0))
    return tuple(dict.fromkeys(found))


def _said(backend: Any, scenario: Scenario, *, depth: int) -> Iterator[str]:
    say = getattr(backend, "disclaimer", None)
    if callable(say):
        said = say(scenario)
        if isinstance(said, str) and said:
            yield said
        return
    if depth > 4 or not attrs.has(type(backend)):
        return
    for name in _INSIDE:
        inner = getattr(backend, name, None)
        for one in inner if isinstance(inner, tuple | list) else (inner,):
            if one is not None:
                yield from _said(one, scenario, depth=depth + 1)
