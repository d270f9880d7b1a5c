"""Foreign text made fit for messages, files and prompts: short, printable, without keys."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

from phyrefine._secrets import SHORTEST_SECRET, scrub

EXCERPT_CHARS = 200
# Of a foreign exception in a traceback: some servers echo the whole request, frames included.
SHOWN_CHARS = 2000
# More than any critique or prompt needs; a runaway model can send megabytes of one token.
ANSWER_CHARS = 100_000

_TAGS = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^<>]*>", re.IGNORECASE | re.DOTALL)
_DATA = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,[\w+/=-]*|[\w+/=-]{400,}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\ufffe\uffff]|[\ud800-\udfff]")


def tidy(text: str) -> str:
    """``text`` without control characters, byte order marks and lone surrogates."""
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every secret replaced by ``***``."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text


def shown(text: str) -> str:
    """Foreign text fit for a traceback: without keys and media, and not endless."""
    plain = scrub(_DATA.sub("[data]", text))
    return plain if len(plain) <= SHOWN_CHARS else plain[: SHOWN_CHARS - 1] + "…"


def excerpt(text: object, secrets: Iterable[str] = (), *, most: int = EXCERPT_CHARS) -> str:
    """One printable line of at most ``most`` characters: no tags, no media, no secrets."""
    plain = without_secrets(str(text), secrets)
    if "<" in plain and ">" in plain:
        plain = html.unescape(_TAGS.sub(" ", plain))
    plain = " ".join(tidy(_DATA.sub("[data]", plain)).split())
    return plain if len(plain) <= most else plain[: most - 1] + "…"
