"""Replies of judges, read as a whole: a number that could be another one is no score."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from phyrefine.bench.judges.row import JudgeRow
from phyrefine.errors import BadOutputError
from phyrefine.refine import json_text

_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_NUMBER = r"(?<![\d.-])(\d+(?:\.\d+)?)(?!\.?\d)"
_TELLING = (
    re.compile(_NUMBER + r"\s*(?:/|out of)\s*5\b", re.IGNORECASE),
    re.compile(r"(?:score|rating|answer)\W{0,12}" + _NUMBER, re.IGNORECASE),
)
_ALONE = re.compile(_NUMBER)


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
    text = json_text.clean_text(text)
    for pattern in (*_TELLING, _ALONE):
        found = list(dict.fromkeys(float(number) for number in pattern.findall(text)))
        if found:
            break
    else:
        words = re.findall(r"\b(?:one|two|three|four|five)\b", text.lower())
        found = list(dict.fromkeys(float(_WORDS[word]) for word in words))
    if len(found) != 1:
        what = "no number" if not found else f"several numbers ({', '.join(map(str, found))})"
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
