"""From a model's text to typed values: tolerant about form, strict about meaning."""

from __future__ import annotations

import ast
import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from phyrefine._thoughts import without_thoughts
from phyrefine.errors import BadOutputError
from phyrefine.types import Prediction, Question, Violation

T = TypeVar("T")

# More than this of one reply is a runaway model.
MAX_CHARACTERS = 40_000
MAX_VIOLATIONS = 30
# Fewer words than this are no description of what happens.
PROSE_WORDS = 3
_WORD = re.compile(r"[^\W\d_]{2,}|[\u3040-\u9fff]")
_NUMBER = re.compile(r"[\s\d.,+-]*")
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_JSON_WORDS = re.compile(r"\b(?:true|false|null)\b")
_PYTHON = {"true": "True", "false": "False", "null": "None"}
# A reply with more braces than this is code or noise: only its end is searched.
MAX_BRACES = 500


def clean_text(text: str) -> str:
    """Without control characters, lone surrogates, byte order marks and thinking blocks."""
    text = without_thoughts(text.lstrip("\ufeff"))
    kept = (
        char
        for char in text[:MAX_CHARACTERS]
        if char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cs", "Co")
    )
    return "".join(kept).strip()


def read_object(text: str, *needs: str) -> dict[str, Any]:
    """The JSON object in a reply: fences, prose around it, trailing commas are forgiven.

    Where there are several, the last one that has all keys of ``needs`` counts; if none has, the
    last of those that have most of them.

    Raises:
        BadOutputError: There is none.
    """
    text = clean_text(text)
    whole = _loads(text)
    if isinstance(whole, list) and len(whole) == 1:
        whole = whole[0]
    found = [whole] if isinstance(whole, dict) else _objects(text)
    if not found:
        raise BadOutputError(f"No JSON object in the reply {_short(text)!r}.", raw=text)
    return max(reversed(found), key=lambda item: len(item.keys() & set(needs)))


def _loads(text: str) -> Any:
    text = _TRAILING_COMMA.sub(r"\1", text.strip())
    try:
        return json.loads(text, strict=False)
    except json.JSONDecodeError:
        pass
    try:  # single quotes, as small models write
        return ast.literal_eval(_JSON_WORDS.sub(lambda found: _PYTHON[found.group()], text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _objects(text: str) -> list[dict[str, Any]]:
    """The outermost objects in a text, in order; braces that hold none are passed over."""
    starts = [found.start() for found in re.finditer(r"\{", text)][-MAX_BRACES:]
    objects, reached = [], 0
    for start in starts:
        if start < reached:
            continue
        end = _closing(text, start)
        found = _loads(text[start:end]) if end is not None else None
        if isinstance(found, dict):
            objects.append(found)
            reached = end or reached
    return objects


def _closing(text: str, start: int) -> int | None:
    """Where the brace that opens at ``start`` is closed, strings passed over."""
    depth, inside, index = 0, False, start
    while index < len(text):
        char = text[index]
        if char == "\\" and inside:
            index += 1
        elif char == '"':
            inside = not inside
        elif not inside:
            depth += (char == "{") - (char == "}")
            if depth == 0:
                return index + 1
        index += 1
    return None


def _short(text: str) -> str:
    return text if len(text) <= 120 else text[:117] + "..."


# -- typed fields ------------------------------------------------------------------------------


def _text(reply: Mapping[str, Any], key: str, *, needed: bool = False) -> str:
    value = reply.get(key)
    if isinstance(value, list):
        value = " ".join(str(part) for part in value)
    text = " ".join(str(value).split()) if value is not None else ""
    if needed and not text:
        raise BadOutputError(f'The key "{key}" is missing or empty.')
    return text


def number(value: Any, name: str) -> float | None:
    """A finite float from a number or from text such as ``"3.2 s"`` or ``"7/10"``; else ``None``.

    Raises:
        BadOutputError: Something is there that holds no number.
    """
    if value is None or value == "" or value is False:
        return None
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else None
    found = re.search(r"-?\d+(?:\.\d+)?", str(value))
    if found is None:
        if str(value).strip().lower() in ("null", "none", "nan", "n/a", "unknown", "unsure"):
            return None
        raise BadOutputError(f'"{name}" should be a number, not {value!r}.')
    return float(found.group())


def _share(value: Any, name: str) -> float:
    words = {"low": 0.25, "minor": 0.25, "medium": 0.5, "moderate": 0.5, "high": 0.75,
             "severe": 0.9, "major": 0.75, "critical": 1.0}  # fmt: skip
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    found = number(value, name)
    if found is None:
        return 0.5
    if found > 10 or found < 0:
        raise BadOutputError(f'"{name}" should lie in 0..1, not {value!r}.')
    return found / 10 if found > 1 else found


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
    whats = (_text(event, "what") if isinstance(event, Mapping) else str(event) for event in events)
    domains = reply.get("domains") or []
    scene, prediction = _text(reply, "scene"), _text(reply, "prediction", needed=True)
    return Prediction(
        text=f"{scene} {prediction}".strip(),
        events=tuple(what for what in whats if what),
        domains=tuple(str(domain).lower() for domain in domains if isinstance(domains, list)),
    )


def _is_prose(text: str) -> bool:
    """Sentences, as against JSON that broke off or a bare number."""
    plain = clean_text(text)
    return not plain.startswith(("{", "[", "```")) and len(_WORD.findall(plain)) >= PROSE_WORDS


def read_critique(text: str, *, seam: float) -> tuple[str, tuple[Violation, ...], bool]:
    """Corrected description, violations and "does anything move" from a critique's reply.

    Args:
        text: A reply to ``critique.schema.json``.
        seam: Seconds of the video shown at which the continuation begins; subtracted, so that
            violations are timed from the seam.

    Raises:
        BadOutputError: No object, no corrected description, or violations of the wrong shape.
    """
    reply = read_object(text, "violations", "corrected")
    listed = reply.get("violations")
    if listed is None:
        raise BadOutputError('The key "violations" is missing; an empty list means none.')
    if not isinstance(listed, list):
        raise BadOutputError(f'"violations" should be a list, not {type(listed).__name__}.')
    violations = tuple(_violation(item, seam) for item in listed[:MAX_VIOLATIONS])
    corrected = _text(reply, "corrected", needed=True)
    return corrected, violations, bool(reply.get("moving", True))


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
        law=_text(item, "law"),
        what=_text(item, "what", needed=True),
        start=start,
        end=end,
        where=_text(item, "where"),
        severity=_share(item.get("severity"), "severity"),
        confidence=_share(item.get("confidence"), "confidence"),
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
    return str(prompt).strip(), _text(reply, "negative")


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
    if "prediction" in wanted:
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


Reader = Callable[[str], T]
