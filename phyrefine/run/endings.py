"""Why a refinement ended, in a word and in words."""

from __future__ import annotations

from collections.abc import Sequence

from phyrefine.errors import (
    AuthError,
    BackendTimeoutError,
    BudgetExceededError,
    ConnectionFaultError,
    GeneratorLostError,
    GeneratorMemoryError,
    ModelNotFoundError,
    OverloadedError,
    PhyrefineError,
    QuotaExceededError,
    RateLimitedError,
    ServerFaultError,
    WrongReplyError,
)
from phyrefine.types import Attempt, Refinement, Scenario, Verdict

# A run that ended so did what it was asked to do.
FINISHED = frozenset(
    {"clean", "same_prompt", "near_prompt", "patience", "cycle", "loop_limit", "one_prompt"}
)
INTERRUPTED = "interrupted"
UNFINISHED = "unfinished"
UNUSABLE = "unusable_replies"

_BY_ERROR: tuple[tuple[type[PhyrefineError], str], ...] = (
    (BudgetExceededError, "budget"),
    (RateLimitedError, "rate_limit"),
    (QuotaExceededError, "quota"),
    (OverloadedError, "overloaded"),
    (ServerFaultError, "server"),
    (ConnectionFaultError, "connection"),
    (BackendTimeoutError, "timeout"),
    (AuthError, "auth"),
    (ModelNotFoundError, "model_not_found"),
    (WrongReplyError, UNUSABLE),
    (GeneratorMemoryError, "out_of_memory"),
    (GeneratorLostError, "generator_lost"),
)
# Endings that say nothing is wrong with the scenario: somebody or something asked to stop.
_STOPPED = frozenset({"budget", INTERRUPTED, UNFINISHED})
_FAILED = frozenset({"error", *(name for _, name in _BY_ERROR)}) - _STOPPED
_BY_RULE = {"max_loops": "loop_limit"}
# Rules that look at whether the prompt changed.
_PROMPT_RULES = ("same_prompt", "near_prompt", "cycle")


def finished(refinement: Refinement) -> bool:
    """Whether it ended by a rule of the policy rather than by a fault, a budget or a user."""
    return refinement.stopped_by in FINISHED


def failed(ending: str) -> bool:
    """Whether ``Refinement.stopped_by`` is a fault."""
    return ending in _FAILED


def ended_well(ending: str) -> bool:
    """Whether ``Refinement.stopped_by`` is a rule, also one of the user's."""
    return ending not in _FAILED and ending not in _STOPPED


def stopped_by(error: BaseException) -> str:
    """One word for the error that ended it."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    for kind, name in _BY_ERROR:
        if isinstance(error, kind):
            return name
    return "error"


def ended_by(attempts: Sequence[Attempt]) -> str:
    """One word for the convergence rule that ended it.

    A prompt that stayed the same only because the critic or the rewriter gave nothing usable has
    not converged: that is ``unusable_replies``.
    """
    last = attempts[-1] if attempts else None
    if last is None or last.verdict is None or not last.verdict.stop:
        return UNFINISHED
    rule = rule_of(last.verdict)
    if rule in _PROMPT_RULES and _kept(last):
        return UNUSABLE
    return rule


def rule_of(verdict: Verdict) -> str:
    """The ending that a rule's verdict stands for."""
    return _BY_RULE.get(verdict.rule, verdict.rule)


def _kept(attempt: Attempt) -> bool:
    if attempt.critique is None:
        return True
    notes = attempt.revision.notes if attempt.revision is not None else ()
    return any(note.startswith("kept the prompt") for note in notes)


def reason(attempts: Sequence[Attempt], failure: BaseException | None) -> str:
    """The error and where it came, or what the convergence policy said."""
    if isinstance(failure, KeyboardInterrupt):
        return f"Stopped by the user with {_counted(len(attempts), 'attempt')} finished."
    if failure is not None:
        return " ".join([str(failure), *_notes(failure)])
    verdict = attempts[-1].verdict if attempts else None
    return f"{verdict.rule}: {verdict.reason}" if verdict is not None else ""


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def where(last: Attempt | None, scenario: Scenario) -> str:
    """Which attempt was in progress; one that was given without its critique still is."""
    of = f" of {scenario.name}" if scenario.name else ""
    if last is None:
        return f"(In the first attempt{of}.)"
    unfinished = last.verdict is None and (not last.baseline or last.critique is None)
    return f"(In attempt {last.index + (not unfinished)}{of}.)"


def _notes(error: BaseException) -> list[str]:
    """What was noted on an error, or else on the foreign one that it stands for."""
    notes: list[str] = getattr(error, "__notes__", None) or []
    return notes or list(getattr(error.__cause__, "__notes__", []))
