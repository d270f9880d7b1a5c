"""What stands in a model's JSON reply: tolerant about form, strict about meaning."""

from __future__ import annotations

import ast
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from phyrefine._json import parse_json
from phyrefine._thoughts import without_thoughts
from phyrefine.errors import BadOutputError

# More than this of one reply is a runaway model.
MAX_CHARACTERS = 40_000
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
        return parse_json(text, strict=False)
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


def text_of(reply: Mapping[str, Any], key: str, *, needed: bool = False) -> str:
    """The text under a key, on one line; empty if there is none.

    Raises:
        BadOutputError: It is needed, and missing or empty.
    """
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


def share(value: Any, name: str) -> float:
    """A number in 0..1 from one in 0..1 or 0..10, or from a word such as ``high``; 0.5 if absent.

    Raises:
        BadOutputError: Out of range, or no number.
    """
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
