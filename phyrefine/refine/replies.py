"""From a model's text to the typed values of each stage."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from phyrefine.errors import BadOutputError
from phyrefine.refine.json_text import clean_text, number, read_object, share, text_of
from phyrefine.refine.planning.editing import Edit, read_edits
from phyrefine.refine.planning.reading import read_plan
from phyrefine.types import Prediction, Question, Violation

# More violations of one reply are a runaway model's.
MAX_VIOLATIONS = 30
# Fewer words than this are no description of what happens.
PROSE_WORDS = 3
_WORD = re.compile(r"[^\W\d_]{2,}|[\u3040-\u9fff]")
_NUMBER = re.compile(r"[\s\d.,+-]*")

# -- the stages' replies -----------------------------------------------------------------------


def read_prediction(text: str) -> Prediction:
    """P0 from a reply to ``predict.schema.json``, or from plain sentences.

    Raises:
        BadOutputError: Neither sentences nor an object with a prediction in it.
    """
    try:
        reply = read_object(text, "prediction", "events")
    except BadOutputError:
        if not _is_prose(text):
            raise
        return Prediction(" ".join(clean_text(text).split()))
    events = reply.get("events") or []
    if not isinstance(events, list):
        raise BadOutputError(f'"events" should be a list, not {type(events).__name__}.')
    whats = (
        text_of(event, "what") if isinstance(event, Mapping) else str(event) for event in events
    )
    domains = reply.get("domains") or []
    scene, prediction = text_of(reply, "scene"), text_of(reply, "prediction", needed=True)
    return Prediction(
        text=f"{scene} {prediction}".strip(),
        events=tuple(what for what in whats if what),
        domains=tuple(str(domain).lower() for domain in domains if isinstance(domains, list)),
    )


def _is_prose(text: str) -> bool:
    """Sentences, as against JSON that broke off or a bare number."""
    plain = clean_text(text)
    return not plain.startswith(("{", "[", "```")) and len(_WORD.findall(plain)) >= PROSE_WORDS


def read_planned(text: str, *, seam: float, description: str) -> Prediction:
    """P0 with its plan, from a reply to ``predict_plan.schema.json``, or from plain sentences.

    Args:
        text: The reply.
        seam: Seconds of the video shown at which the new part begins.
        description: D.

    Raises:
        BadOutputError: No object, or neither events nor a prediction in it.
    """
    try:
        reply = read_object(text, "prediction", "events")
    except BadOutputError:
        if not _is_prose(text):
            raise
        reply = {"prediction": " ".join(clean_text(text).split())}
    plan = read_plan(reply, seam=seam, description=description)
    whats = tuple(event.what for event in plan.events)
    prediction = text_of(reply, "prediction") or " ".join(whats)
    domains = reply.get("domains") or []
    return Prediction(
        text=f"{plan.scene} {prediction}".strip(),
        events=whats,
        domains=tuple(str(domain).lower() for domain in domains if isinstance(domains, list)),
        plan=plan,
    )


@frozen
class Seen:
    """What a critic's reply says.

    Attributes:
        corrected: The corrected description.
        violations: Timed from the seam.
        moving: Whether anything moves.
        edits: Changes of the plan; ``None`` when the reply has no such list.
    """

    corrected: str
    violations: tuple[Violation, ...]
    moving: bool
    edits: tuple[Edit, ...] | None


def read_critique(text: str, *, seam: float) -> Seen:
    """Corrected description, violations and edits from a critique's reply.

    Args:
        text: A reply to ``critique.schema.json`` or ``critique_plan.schema.json``.
        seam: Seconds of the video shown at which the continuation begins; subtracted, so that
            violations are timed from the seam.

    Raises:
        BadOutputError: No object, no corrected description, or violations or edits of the wrong
            shape.
    """
    reply = read_object(text, "violations", "corrected")
    listed = reply.get("violations")
    if listed is None:
        raise BadOutputError('The key "violations" is missing; an empty list means none.')
    if not isinstance(listed, list):
        raise BadOutputError(f'"violations" should be a list, not {type(listed).__name__}.')
    violations = tuple(_violation(item, seam) for item in listed[:MAX_VIOLATIONS])
    corrected = text_of(reply, "corrected", needed=True)
    edits = read_edits(reply.get("edits"), seam=seam)
    return Seen(corrected, violations, bool(reply.get("moving", True)), edits)


def _violation(item: Any, seam: float) -> Violation:
    if isinstance(item, str):
        item = {"law": "", "what": item}
    if not isinstance(item, Mapping):
        raise BadOutputError(f'Each of "violations" should be an object, not {item!r}.')
    times = [number(item.get(key), key) for key in ("start", "end")]
    start, end = (None if at is None else max(0.0, at - seam) for at in times)
    if start is not None and end is not None and end < start:
        start, end = end, start
    return Violation(
        law=text_of(item, "law"),
        what=text_of(item, "what", needed=True),
        start=start,
        end=end,
        where=text_of(item, "where"),
        severity=share(item.get("severity"), "severity"),
        confidence=share(item.get("confidence"), "confidence"),
    )


def read_prompt(text: str) -> tuple[str, str]:
    """(prompt, negative) from a reply to ``compose.schema.json``, or from bare text.

    Raises:
        BadOutputError: Nothing is left that could be a prompt.
    """
    text = clean_text(text)
    try:
        reply = read_object(text, "prompt")
    except BadOutputError:
        if text.startswith(("{", "[", "```")):
            raise
        return text, ""
    if "prompt" not in reply:
        return json.dumps(reply, ensure_ascii=False), ""
    prompt = reply["prompt"]
    if isinstance(prompt, Mapping | list):
        prompt = json.dumps(prompt, ensure_ascii=False)
    return str(prompt).strip(), text_of(reply, "negative")


def read_score(text: str) -> float:
    """A score in 0..10.

    Raises:
        BadOutputError: None, or out of range.
    """
    found = number(read_object(text, "score").get("score"), "score")
    if found is None or not 0 <= found <= 10:
        raise BadOutputError(f'"score" should lie in 0..10, not {found!r}.')
    return found


def read_winner(text: str) -> str:
    """``"A"``, ``"B"`` or ``"tie"``.

    Raises:
        BadOutputError: Anything else.
    """
    said = str(read_object(text, "winner").get("winner", "")).strip().lower()
    said = said.removeprefix("video ").strip()
    if said in ("tie", "equal", "neither", "both"):
        return "tie"
    if said not in ("a", "b"):
        raise BadOutputError(f'"winner" should be "A", "B" or "tie", not {said!r}.')
    return said.upper()


def check(question: Question, text: str, *, json_prompts: bool = False) -> None:
    """Read a reply as the question's stage will.

    Args:
        question: What was asked; its schema says which reply it is.
        text: The reply.
        json_prompts: Prompts may be JSON objects with any keys.

    Raises:
        BadOutputError: The stage will not be able to use it.
    """
    wanted = (question.schema or {}).get("properties", {})
    if "prediction" in wanted and "objects" in wanted:
        read_planned(text, seam=question.seam or 0.0, description="")
    elif "prediction" in wanted:
        read_prediction(text)
    elif "violations" in wanted:
        read_critique(text, seam=question.seam or 0.0)
    elif "score" in wanted:
        read_score(text)
    elif "winner" in wanted:
        read_winner(text)
    elif "prompt" in wanted:
        _check_prompt(text, json_prompts=json_prompts)


def _check_prompt(text: str, *, json_prompts: bool) -> None:
    prompt, _ = read_prompt(text)
    if not prompt.strip():
        raise BadOutputError("The prompt is empty.")
    if prompt.startswith("{") and not json_prompts:
        raise BadOutputError('The key "prompt" is missing.')
    if _NUMBER.fullmatch(prompt):
        raise BadOutputError("A number is no prompt.")
