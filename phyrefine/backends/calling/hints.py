"""How long a server asks us to wait, in whatever way it says it."""

from __future__ import annotations

import datetime as dt
import email.utils
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")


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
    is used up. Negative, infinite and unreadable values are no hint.

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
        _reset(headers),
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


def _reset(headers: Mapping[str, str]) -> float | None:
    waits = (
        _duration(headers.get(f"x-ratelimit-reset-{kind}", ""))
        for kind in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{kind}") == "0"
    )
    known = [wait for wait in waits if wait is not None]
    return max(known) if known else None


def _duration(text: str) -> float | None:
    """Seconds in ``17s``, ``1m30s``, ``250ms`` or a bare number."""
    if not text or _PART.sub("", text).strip():
        return _scaled(text, 1.0)
    return sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(text))


def error_details(body: Any) -> list[dict[str, Any]]:
    """The ``error.details`` list of a Google error body; empty when there is none."""
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    error = body.get("error") if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    return [item for item in details if isinstance(item, dict)] if isinstance(details, list) else []
