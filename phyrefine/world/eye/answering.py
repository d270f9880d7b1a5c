"""The eye's answers to a battery of questions about laws, from what it measured."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from phyrefine.world.eye.measuring.case import Case, Finding

# Which of the things it can find wrong breaks which law, as the knowledge base names them.
TOPICS: dict[str, frozenset[str]] = {
    "Falling": frozenset({"hover", "slow fall", "fast fall", "slope stop"}),
    "Inertia": frozenset({"stop", "start", "sideways", "jump", "frozen"}),
    "Contact and solidity": frozenset({"sink", "pass through"}),
    "Bounce": frozenset({"stick", "weak bounce", "strong bounce", "soft bounce", "gain"}),
    "Collisions": frozenset({"no transfer", "push gain"}),
    "Pendulum": frozenset({"swing stop", "swing gain", "string", "period"}),
    "Permanence": frozenset({"vanish", "fade", "appear", "split", "size", "colour"}),
}
_BY_KIND = {
    "swing": ("Pendulum", "Permanence", "Inertia"),
    "collide": ("Collisions", "Inertia", "Permanence"),
    "ramp": ("Falling", "Inertia", "Permanence"),
}
_USUAL = ("Falling", "Bounce", "Inertia", "Contact and solidity", "Permanence")
_LINE = re.compile(
    r'^(\d+)\. (?:Is (.+?) in view\b|Does (.+?) (keep|break) the law "([^"]+)")', re.MULTILINE
)
_ASKED_FROM = 0.5  # confidence in "nothing was found"


def plan(case: Case | None, kinds: Sequence[str]) -> Mapping[str, Any]:
    """Objects and laws that matter, from the filmed part and the description's words."""
    names = [motion.name for motion in case.motions[:3]] if case is not None else []
    laws = next((_BY_KIND[kind] for kind in kinds if kind in _BY_KIND), _USUAL)
    return {"objects": names or ["the object"], "laws": list(laws)}


def answers(questions: str, case: Case, found: Sequence[Finding]) -> Mapping[str, Any]:
    """Answers by number: a law is broken by what was found, kept where nothing was.

    Args:
        questions: One a line, as ``law_answers_question`` lists them.
        case: What was measured.
        found: What breaks a law.
    """
    named = {motion.name for motion in case.motions}
    listed = []
    for number, seen, thing, verb, law in _LINE.findall(questions):
        if seen:
            answer, sure = ("yes" if seen in named or not named else "cannot tell"), 0.8
        else:
            answer, sure = _about(law, thing, verb, found, several=len(named) > 1)
        listed.append({"number": int(number), "answer": answer, "confidence": sure})
    return {"answers": listed}


def _about(
    law: str, thing: str, verb: str, found: Sequence[Finding], *, several: bool
) -> tuple[str, float]:
    if law not in TOPICS:
        return "cannot tell", 0.0
    mine = [
        finding
        for finding in found
        if finding.topic in TOPICS[law] and (not several or thing in (finding.thing, finding.other))
    ]
    broken = bool(mine)
    sure = max((finding.confidence * finding.severity for finding in mine), default=_ASKED_FROM)
    return ("yes" if broken == (verb == "break") else "no"), round(sure, 3)
