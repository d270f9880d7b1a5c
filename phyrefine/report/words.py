"""Values in words: numbers, usage, names. And text that cannot hide what it is."""

from __future__ import annotations

import re

from phyrefine.types import Usage

# Characters that move, hide or reverse the text around them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def visible(value: object) -> object:
    """Text with control, direction and zero-width characters spelled out; others unchanged.

    Zero-width joiners inside emoji stay. Values that are already HTML pass as they are.
    """
    if hasattr(value, "__html__") or not isinstance(value, str):
        return value
    return _INVISIBLE.sub(_spelled, value)


def _spelled(found: re.Match[str]) -> str:
    character = found.group()
    before = found.string[: found.start()][-1:]
    if character == "\u200d" and before > "\u2190":
        return character
    return "" if character == "\r" else f"⟨U+{ord(character):04X}⟩"


def number(value: float) -> str:
    """At most four significant digits, a true minus sign."""
    return f"{value:.4g}".replace("-", "−")


def seconds(value: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 90:
        return f"{value:.1f} s"
    if value < 5400:
        return f"{value / 60:.1f} min"
    return f"{value / 3600:.1f} h"


def dollars(value: float | None) -> str:
    """US dollars; unknown stays unknown."""
    if value is None:
        return "unknown"
    return f"${value:.2f}" if value >= 1 or value == 0 else f"${value:.4f}"


def tokens(usage: Usage) -> str:
    """Tokens by kind."""
    parts = [f"{count:,} {kind}" for kind, count in usage.tokens.items() if count]
    return ", ".join(parts) or "–"


def usage_words(usage: Usage) -> str:
    """What calls took, in one line."""
    calls = f"{usage.calls} call{'' if usage.calls == 1 else 's'}"
    saved = f" and {usage.saved_calls} from the store" if usage.saved_calls else ""
    spent = f"{seconds(usage.seconds)} inside backends"
    video = f" ({seconds(usage.gpu_seconds)} generating video)" if usage.gpu_seconds else ""
    return f"{calls}{saved} · {spent}{video} · cost {dollars(usage.usd)}"


def words(name: str) -> str:
    """A short name with spaces."""
    return name.replace("_", " ")
