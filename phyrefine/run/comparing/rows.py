"""Refinements as plain rows, for tables and data frames."""

from __future__ import annotations

from typing import Any

from phyrefine.types import Attempt, Candidate, Pick, Refinement, pick_key


def rows(refinement: Refinement) -> list[dict[str, Any]]:
    """One row per clip, in the order they were made; the same keys in every row.

    Args:
        refinement: Anything ``refine`` gave back.
    """
    names = sorted({name for attempt in refinement.attempts for name in attempt.scores})
    return [
        _row(refinement, position, number, attempt, candidate, names)
        for position, attempt in enumerate(refinement.attempts)
        for number, candidate in enumerate(attempt.candidates)
    ]


def _row(
    refinement: Refinement,
    position: int,
    number: int,
    attempt: Attempt,
    candidate: Candidate,
    names: list[str],
) -> dict[str, Any]:
    choice, critique = refinement.choice, attempt.critique if number == 0 else None
    key = pick_key(Pick(position, number))
    usage = attempt.usage
    return {
        "scenario": refinement.scenario.name,
        "attempt": position,
        "candidate": number,
        "loop": attempt.index,
        "baseline": attempt.baseline,
        "seed": candidate.seed,
        "steps": candidate.steps,
        "prompt": attempt.prompt.text,
        "prompt_words": attempt.prompt.words,
        "violations": None if critique is None else len(critique.violations),
        "severity": None if critique is None else critique.severity,
        "seam_ok": None if candidate.seam is None else candidate.seam.ok,
        "score": None if choice is None else choice.scores.get(key),
        "chosen": choice is not None and choice.pick == Pick(position, number),
        "chosen_by": None if choice is None else choice.label,
        "stopped_by": refinement.stopped_by,
        # Of the whole attempt, so only in the row of its first clip.
        "calls": usage.calls if number == 0 else None,
        "tokens": sum(usage.tokens.values()) if number == 0 else None,
        "seconds": usage.seconds if number == 0 else None,
        "usd": usage.usd if number == 0 else None,
        **{f"score_{name}": attempt.scores.get(name) if number == 0 else None for name in names},
    }
