"""Numbers in a server's error: how long to wait, how many tokens at most."""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

# Larger numbers are moments, smaller ones lengths of time.
FIRST_MOMENT = 1e9
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_WORDS = re.compile(
    r"(?:try again|retry|wait)(?: \w+){0,3}? (?:in|after|for) (?:about )?"
    r"((?:\d+(?:\.\d+)?\s*(?:milliseconds?|seconds?|secs?|minutes?|mins?|hours?|ms|[hms])\s*)+)",
    re.IGNORECASE,
)
_UNIT_WORDS = (
    ("milliseconds?", "ms"),
    ("sec(ond)?s?", "s"),
    ("min(ute)?s?", "m"),
    ("hours?", "h"),
)
_LIMIT_NAME = re.compile(r"max_?(?:completion|output|new)?_?tokens", re.IGNORECASE)
_NOT_TAKEN = re.compile(
    r"unsupported|not supported|unrecognized|unknown|unexpected|not permitted|not allowed|instead",
    re.IGNORECASE,
)
_COMPLAINS = re.compile(r"too (large|high|big|many)|exceed|maximum|invalid|must be", re.IGNORECASE)
_ANY = re.IGNORECASE | re.DOTALL
# Room left by the input: the context's length less the input's.
_ROOM = tuple(
    re.compile(pattern, _ANY)
    for pattern in (
        r"\d+ > (\d+) - (\d+)",
        r"maximum context length is (\d+).*?(\d+) in the messages",
        r"maximum context length is (\d+).*?(\d+) input tokens",
        r"<= (\d+).*?(\d+) `?inputs",
    )
)
# What the model gives at most; the second number is to be taken off.
_MOST = tuple(
    (re.compile(pattern, _ANY), off)
    for pattern, off in (
        (r"at most (\d+)", 0),
        (r"\[\s*\d+\s*,\s*(\d+)\s*\]", 0),
        (r"to (\d+) \(exclusive\)", 1),
        (r"(?:less than or equal to|<=|up to|between \d+ and|not exceed) [`']?(\d+)", 0),
        (r"\d+ > (\d+)", 0),
        (r"maximum[^.\d]{0,60}?(\d+)", 0),
    )
)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def wait_hint(
    headers: Mapping[str, str],
    body: Any = None,
    *,
    now: Callable[[], dt.datetime] = _now,
) -> float | None:
    """Seconds a server asks us to wait, or ``None`` when it does not say.

    Read in this order: ``retry-after-ms``, ``Retry-After`` (seconds or an HTTP date),
    ``google.rpc.RetryInfo`` in the body, ``x-ratelimit-reset-*`` (``1m30s``) of the limit that
    is used up, words ("try again in 6m0s", "retry after 30 seconds"). Negative, infinite and
    unreadable values are no hint.

    Args:
        headers: Response headers with lower-case names.
        body: Parsed JSON body, if it was JSON.
        now: The wall clock, for HTTP dates.
    """
    hints = (
        _scaled(headers.get("retry-after-ms"), 0.001),
        _scaled(headers.get("retry-after"), 1.0),
        _until(headers.get("retry-after"), now),
        _retry_info(body),
        _reset(headers, now),
        _words(body),
    )
    return next((hint for hint in hints if hint is not None), None)


def _scaled(text: str | None, scale: float) -> float | None:
    try:
        seconds = float(text or "") * scale
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _until(text: str | None, now: Callable[[], dt.datetime]) -> float | None:
    try:
        date = email.utils.parsedate_to_datetime(text or "")
    except (TypeError, ValueError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=dt.UTC)
    return max(0.0, (date - now()).total_seconds())


def _retry_info(body: Any) -> float | None:
    for detail in error_details(body):
        if str(detail.get("@type", "")).endswith("google.rpc.RetryInfo"):
            return _duration(str(detail.get("retryDelay", "")))
    return None


def _reset(headers: Mapping[str, str], now: Callable[[], dt.datetime]) -> float | None:
    waits = (
        _duration(headers.get(f"x-ratelimit-reset-{kind}", ""))
        for kind in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{kind}") == "0"
    )
    known = [wait for wait in waits if wait is not None]
    return max(known) if known else _moment(headers, now)


def _moment(headers: Mapping[str, str], now: Callable[[], dt.datetime]) -> float | None:
    """``x-ratelimit-reset`` as a moment since 1970 in seconds or milliseconds (OpenRouter)."""
    if headers.get("x-ratelimit-remaining") != "0":
        return None
    at = _scaled(headers.get("x-ratelimit-reset"), 1.0)
    if at is None or at < FIRST_MOMENT:
        return at
    seconds = at / 1000 if at > FIRST_MOMENT * 1000 else at
    return max(0.0, seconds - now().timestamp())


def _words(body: Any) -> float | None:
    """A wait told in a sentence."""
    found = _WORDS.search(body if isinstance(body, str) else json.dumps(body, default=str))
    if found is None:
        return None
    text = found.group(1).lower()
    for word, unit in _UNIT_WORDS:
        text = re.sub(rf"\b{word}\b|(?<=\d){word}\b", unit, text)
    return _duration("".join(text.split()))


def _duration(text: str) -> float | None:
    """Seconds in ``17s``, ``1m30s``, ``250ms`` or a bare number."""
    if not text or _PART.sub("", text).strip():
        return _scaled(text, 1.0)
    return sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(text))


def output_limit(text: str) -> str | None:
    """What a complaint about ``max_tokens`` offers.

    Returns:
        ``"2048"``, the most the model gives; ``"2792 left"``, what the input leaves; ``""`` when
        it names no number; ``None`` when the text is about something else: another parameter, or
        one that is not taken under this name.
    """
    by_input = re.search(r"\d+ in the messages, \d+ in the completion", text)
    if not by_input and (not _LIMIT_NAME.search(text) or _NOT_TAKEN.search(text)):
        return None
    plain = text if re.search(r"\[\s*\d", text) else re.sub(r"(?<=\d),(?=\d{3})", "", text)
    for pattern in _ROOM:
        found = pattern.search(plain)
        if found is not None:
            return f"{max(0, int(found.group(1)) - int(found.group(2)))} left"
    for pattern, off in _MOST:
        found = pattern.search(plain)
        if found is not None:
            return str(int(found.group(1)) - off)
    return "" if _COMPLAINS.search(plain) else None


def error_details(body: Any) -> list[dict[str, Any]]:
    """The ``error.details`` list of a Google error body; empty when there is none."""
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    error = body.get("error") if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    return [item for item in details if isinstance(item, dict)] if isinstance(details, list) else []
