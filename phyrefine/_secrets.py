"""Keeps keys out of everything that is written or shown."""

from __future__ import annotations

import functools
import os
import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

HIDDEN = "[hidden]"
# Shorter values ("1", "true", "none") would blank ordinary words; no real key is that short.
SHORTEST_SECRET = 8

_SECRET_NAME = re.compile(
    r"(?:^|[_-])(?:api)?keys?$|(?:^|[_-])key(?:[_-]|$)|token$|secret|passw(?:or)?d|credential"
    r"|authorization|cookie",
    re.IGNORECASE,
)
_SHAPES = re.compile(
    r"""
      \b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}            # OpenAI and those who copied its shape
    | \bAIza[A-Za-z0-9_-]{30,}                     # Google
    | \bhf_[A-Za-z0-9]{20,}                        # Hugging Face
    | \bgh[pousr]_[A-Za-z0-9]{30,} | \bgithub_pat_[A-Za-z0-9_]{30,}
    | \bxox[abprs]-[A-Za-z0-9-]{10,}               # Slack
    | \bAKIA[A-Z0-9]{16}\b                         # AWS
    | \beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+   # JSON web tokens
    """,
    re.VERBOSE,
)
# What stands after these words is a key only if it looks like one: "the torch bearer walking" and
# "?key=velocity" are prose.
_LIKE_A_KEY = r"(?=[^\s&\"'@]*\d)[^\s&\"'@]{8,}|[A-Za-z0-9_.~+/=-]{24,}"
_AFTER = re.compile(
    r"((?:\bbearer\s+|[?&](?:api_?key|key|access_token|token|sig|signature)=|\bx-goog-api-key:\s*))"
    rf"({_LIKE_A_KEY})",
    re.IGNORECASE,
)
# "API key: ...", "token=...", "x-key: ...": what follows is a key if it has letters and digits, and
# is long.
_NAMED = re.compile(
    r"""
      ((?<![A-Za-z])
        (?: (?:api|access|auth|x)[a-z]*[ _-]?keys? | [a-z_-]*token | [a-z_-]*secret
          | passw(?:or)?d | authorization )\b
        ["']? (?:\s+(?:is|was|provided|given))? \s*[:=]\s* ["']?
        (?:(?:bearer|basic|key|token)\s+)?)
      ((?=[^\s"']*\d)(?=[^\s"']*[A-Za-z])[A-Za-z0-9_.~+/=-]{12,})
    """,
    re.IGNORECASE | re.VERBOSE,
)
_PASSWORD = re.compile(r"(://[^\s/:@]+:(?=[^\s/@]+@))([^\s&\"'@]{6,})")
# Services echo a key by its beginning; a token of this form is known by that much of it.
_TOKEN = re.compile(r"(?=.*\d)[A-Za-z0-9_.-]{16,}")
_BEGINNING = 10

_told: set[str] = set()
_lock = threading.Lock()


def hide(secret: str | None) -> None:
    """Remember a key that was passed as an argument, so that :func:`scrub` knows it."""
    if secret and len(secret) >= SHORTEST_SECRET:
        with _lock:
            _told.add(secret)


@functools.lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a setting or variable of that name holds a secret (``api_key``, ``HF_TOKEN``)."""
    return _SECRET_NAME.search(name) is not None


def scrub(text: str) -> str:
    """``text`` without keys: those of the environment, those told to :func:`hide`, key shapes."""
    return _scrubbed(text, _known())


def scrub_json(value: Any) -> Any:
    """A JSON value with every string scrubbed and every secret-named entry hidden."""
    return _scrubbed_json(value, _known())


def _known() -> Sequence[str]:
    """Secrets told to :func:`hide` and those of the environment, the longest first."""
    with _lock:
        known = set(_told)
    for name in os.environ:
        if is_secret_name(name) and len(value := os.environ.get(name, "")) >= SHORTEST_SECRET:
            known.add(value)
    return sorted(known, key=len, reverse=True)


def _scrubbed(text: str, known: Sequence[str]) -> str:
    for secret in known:
        if secret in text:
            text = text.replace(secret, HIDDEN)
        if _TOKEN.fullmatch(secret) and secret[:_BEGINNING] in text:
            text = re.sub(rf"{re.escape(secret[:_BEGINNING])}[A-Za-z0-9_.*…-]*", HIDDEN, text)
    for pattern in (_AFTER, _NAMED, _PASSWORD):
        text = pattern.sub(rf"\1{HIDDEN}", text)
    return _SHAPES.sub(HIDDEN, text)


def _scrubbed_json(value: Any, known: Sequence[str]) -> Any:
    if isinstance(value, str):
        return _scrubbed(value, known)
    if isinstance(value, Mapping):
        return {
            key: HIDDEN
            if isinstance(item, str) and is_secret_name(str(key))
            else _scrubbed_json(item, known)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_scrubbed_json(item, known) for item in value]
    return value
