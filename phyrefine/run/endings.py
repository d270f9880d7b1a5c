"""Why a refinement ended, in a word and in words."""

from __future__ import annotations

from collections.abc import Sequence

from phyrefine.errors import (
    AuthError,
    BudgetExceededError,
    ConnectionFaultError,
    OverloadedError,
    PhyrefineError,
    QuotaExceededError,
    RateLimitedError,
)
from phyrefine.types import Attempt, Scenario

_STOPPED_BY: tuple[tuple[type[PhyrefineError], str], ...] = (
    (BudgetExceededError, "budget"),
    (RateLimitedError, "rate_limit"),
    (QuotaExceededError, "quota"),
    (OverloadedError, "overloaded"),
    (ConnectionFaultError, "connection"),
    (AuthError, "auth"),
)


def stopped_by(error: PhyrefineError) -> str:
    """One word for what ended it."""
    for kind, name in _STOPPED_BY:
        if isinstance(error, kind):
            return name
    return "error"


def reason(attempts: Sequence[Attempt], failure: PhyrefineError | None) -> str:
    """The error and where it came, or what the convergence policy said."""
    if failure is not None:
        return " ".join([str(failure), *_notes(failure)])
    verdict = attempts[-1].verdict if attempts else None
    return f"{verdict.rule}: {verdict.reason}" if verdict is not None else ""


def where(last: Attempt | None, scenario: Scenario) -> str:
    """Which attempt was under way; one that was given without its critique still is."""
    of = f" of {scenario.name}" if scenario.name else ""
    if last is None:
        return f"(In the first attempt{of}.)"
    unfinished = last.verdict is None and (not last.baseline or last.critique is None)
    return f"(In attempt {last.index + (not unfinished)}{of}.)"


def _notes(error: BaseException) -> list[str]:
    """What was noted on an error, or else on the foreign one that it stands for."""
    notes: list[str] = getattr(error, "__notes__", None) or []
    return notes or list(getattr(error.__cause__, "__notes__", []))
