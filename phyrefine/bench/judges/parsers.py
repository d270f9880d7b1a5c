"""Replies of judges, read as a whole: a number that could be another one is no score."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from phyrefine.bench.judges.row import JudgeRow
from phyrefine.errors import BadOutputError
from phyrefine.refine import json_text

_WORDS = {"one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0}
_NUMBER = r"(?<![\w.-])(\d+(?:\.\d+)?)(?![\w]|\.\d)"
_NOT_A_RANGE = r"(?!\s*(?:-|–|to|or|and)\s*\d)"
# Where prose surrounds it, a number is a score only if the reply calls it one.
_TELLING = (
    re.compile(_NUMBER + r"\s*(?:/|out of)\s*5\b", re.IGNORECASE),
    re.compile(
        r"\b(?:score|rating|answer|rate (?:it|this|the video))"
        r"(?:\W+(?:is|of|be|would|a|an|at|as|it))*\W{0,6}" + _NUMBER + _NOT_A_RANGE,
        re.IGNORECASE,
    ),
)
_ALONE = re.compile(r"[^\w.-]*(\d+(?:\.\d+)?|one|two|three|four|five)[^\w]*", re.IGNORECASE)


def read(
    row: JudgeRow, gives: tuple[str, ...], text: str, law: str | None = None
) -> dict[str, Any]:
    """Scores in a reply by our names; ``assessable`` beside them where the judge says so.

    Args:
        row: Whose reply.
        gives: Scores that it should hold.
        text: The reply.
        law: The law it is about; the reply calls its score so.

    Raises:
        BadOutputError: A score is missing, ambiguous or off the scale.
    """
    if row.parser == "rating":
        return {gives[0]: _rating(row, text)}
    if row.parser == "labels":
        return {name: _labelled(row, name, text) for name in gives}
    reply = json_text.read_object(text)
    if row.parser == "assessable":
        return _assessable(row, gives, reply)
    return {name: _valued(row, reply, law or row.labels.get(name, name)) for name in gives}


def _rating(row: JudgeRow, text: str) -> float:
    """The score of a reply that is only a number, ends in one, or calls one its score."""
    text = json_text.clean_text(text)
    lines = [line for line in text.splitlines() if line.strip()]
    alone = _ALONE.fullmatch(text) or (_ALONE.fullmatch(lines[-1]) if lines else None)
    if alone is not None:
        said = alone[1].lower()
        return _scaled(row, _WORDS[said] if said in _WORDS else float(said), text)
    found = [float(number) for pattern in _TELLING for number in pattern.findall(text)]
    if len(set(found)) != 1:
        what = "no score" if not found else f"several scores ({', '.join(map(str, found))})"
        raise BadOutputError(f"The reply should hold one score; it holds {what}.", raw=text)
    return _scaled(row, found[0], text)


def _labelled(row: JudgeRow, name: str, text: str) -> float:
    label = re.escape(row.labels.get(name, name))
    found = re.findall(label + r"\W{0,6}" + _NUMBER, json_text.clean_text(text), re.IGNORECASE)
    if not found:
        raise BadOutputError(f'The reply has no score called "{row.labels[name]}".', raw=text)
    return _scaled(row, float(found[-1]), text)


def _assessable(row: JudgeRow, gives: tuple[str, ...], reply: Mapping[str, Any]) -> dict[str, Any]:
    key = row.labels["assessable"]
    said = reply.get(key)
    if not isinstance(said, bool) and str(said).lower() not in ("true", "false"):
        raise BadOutputError(f'"{key}" should be true or false, not {said!r}.', raw=str(reply))
    assessable = str(said).lower() == "true"
    asked = [name for name in gives if name != "pc" or assessable]
    scores = {name: _valued(row, reply, row.labels.get(name, name)) for name in asked}
    return {**scores, "assessable": assessable}


def _valued(row: JudgeRow, reply: Mapping[str, Any], key: str) -> float:
    value = json_text.number(reply.get(key), key)
    if value is None:
        raise BadOutputError(f'The reply has no "{key}".', raw=str(reply))
    return _scaled(row, value, str(reply))


def _scaled(row: JudgeRow, value: float, raw: str) -> float:
    if not row.low <= value <= row.high:
        raise BadOutputError(
            f"{value:g} is off the scale of {row.title}, {row.low} to {row.high}.", raw=raw
        )
    return value
