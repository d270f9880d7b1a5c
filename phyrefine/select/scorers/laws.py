"""Questions about laws: which to ask of a scenario, and what the answers are worth.

The list is fixed per scenario before any clip is seen, so that all clips answer the same ones.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from attrs import frozen

from phyrefine.errors import BadOutputError
from phyrefine.refine import json_text, prompts

MOST_OBJECTS = 3
MOST_LAWS = 6
# With fewer answers there is no score.
FEWEST_ANSWERS = 3
_ENTRY = re.compile(r"^- \*\*(.+?)\*\*: (.+?) \*Look: (.+?)\*\s*$", re.MULTILINE)

Reply = Literal["yes", "no", "cannot tell"]


@frozen
class Law:
    """An entry of the knowledge base K.

    Attributes:
        name: As K names it.
        statement: What holds.
        look: Questions one answers by looking.
    """

    name: str
    statement: str
    look: str


@frozen
class LawQuestion:
    """One question about an object.

    Attributes:
        text: As the VLM reads it.
        about: The object.
        law: Name of the law; ``None`` for the parent question whether the object is in view.
        good: The answer that speaks for the clip.
        parent: Position of the question that must be answered "yes" for this one to count.
    """

    text: str
    about: str
    law: str | None
    good: Reply
    parent: int | None = None


@functools.cache
def all_laws() -> dict[str, Law]:
    """Every law of K by name."""
    found: dict[str, Law] = {}
    for domain in prompts.DOMAINS:
        for name, statement, look in _ENTRY.findall(prompts.domain_knowledge(domain)):
            found.setdefault(name, Law(name, statement, look))
    return found


def read_plan(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(objects, laws) from a reply to ``law_plan.schema.json``; unknown laws are left out.

    Raises:
        BadOutputError: No object, or no law of K.
    """
    reply = json_text.read_object(text)
    objects = _strings(reply.get("objects"))[:MOST_OBJECTS]
    spelled = {name.lower(): name for name in all_laws()}
    named = [spelled[law.lower()] for law in _strings(reply.get("laws")) if law.lower() in spelled]
    if not objects or not named:
        raise BadOutputError(
            'Name at least one of "objects", and "laws" exactly as they are listed.', raw=text
        )
    return objects, tuple(dict.fromkeys(named))[:MOST_LAWS]


def questions(objects: Sequence[str], laws: Sequence[str]) -> tuple[LawQuestion, ...]:
    """The list: for each object whether it is in view, then each law, every second one negated.

    Whether an object persists needs no parent: an object that is gone breaks that law.
    """
    asked: list[LawQuestion] = []
    turn = 0
    for thing in objects:
        parent = len(asked)
        asked.append(LawQuestion(f"Is {thing} in view at any time?", thing, None, "yes"))
        for name in laws:
            law, keeps = all_laws()[name], turn % 2 == 0
            turn += 1
            verb, when = ("keep", "") if keeps else ("break", " at any time")
            text = f'Does {thing} {verb} the law "{name}"{when}? ({law.statement} {law.look})'
            needs = None if name == "Permanence" else parent
            asked.append(LawQuestion(text, thing, name, "yes" if keeps else "no", needs))
    return tuple(asked)


def read_answers(text: str, count: int) -> dict[int, tuple[Reply, float]]:
    """(answer, confidence) by position from a reply to ``law_answers.schema.json``.

    Args:
        text: The reply; answers are numbered from 1.
        count: Questions asked.

    Raises:
        BadOutputError: No list of answers, or an answer that is none of the three.
    """
    listed = json_text.read_object(text).get("answers")
    if not isinstance(listed, list):
        raise BadOutputError('The key "answers" is missing or no list.', raw=text)
    found: dict[int, tuple[Reply, float]] = {}
    for item in listed:
        if not isinstance(item, Mapping):
            raise BadOutputError(f'Each of "answers" should be an object, not {item!r}.', raw=text)
        number = json_text.number(item.get("number"), "number")
        if number is None or not 1 <= number <= count:
            continue
        sure = json_text.number(item.get("confidence"), "confidence")
        found[int(number) - 1] = _answer(item.get("answer")), min(max(sure or 0.0, 0.0), 1.0)
    return found


def score_answers(
    asked: Sequence[LawQuestion], answers: Mapping[int, tuple[Reply, float]]
) -> float:
    """Share of the answers that speak for the clip, weighted by confidence, laws weighted equally.

    A question whose parent is not answered "yes" does not count, and neither does "cannot tell".

    Returns:
        0..1, or NaN with fewer than three answers.
    """
    by_law: dict[str, list[tuple[float, float]]] = {}
    for position, question in enumerate(asked):
        said, sure = answers.get(position, ("cannot tell", 0.0))
        if question.law is None or said == "cannot tell" or not sure:
            continue
        if question.parent is not None and answers.get(question.parent, ("no", 0.0))[0] != "yes":
            continue
        by_law.setdefault(question.law, []).append((float(said == question.good), sure))
    if sum(map(len, by_law.values())) < FEWEST_ANSWERS:
        return float("nan")
    shares = [sum(g * w for g, w in got) / sum(w for _, w in got) for got in by_law.values()]
    return sum(shares) / len(shares)


def _strings(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else []
    return tuple(text for item in items if (text := " ".join(str(item).split())))


def _answer(value: object) -> Reply:
    said = " ".join(str(value).lower().replace("_", " ").split()).strip(".")
    if said in ("yes", "true"):
        return "yes"
    if said in ("no", "false"):
        return "no"
    if said in ("cannot tell", "can't tell", "cannot see", "unsure", "unknown", "n/a", "none"):
        return "cannot tell"
    raise BadOutputError(f'"answer" should be "yes", "no" or "cannot tell", not {value!r}.')
