"""Decide a finished run again under another convergence policy, without any backend."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve

from phyrefine.protocols import Convergence
from phyrefine.run.results import read_refinement
from phyrefine.types import Attempt, Choice, Pick, Refinement, pick_key


def replay(finished: Refinement | str | Path, convergence: Convergence) -> Refinement:
    """The refinement as it would have ended under another policy.

    Attempts after the policy's stop are cut off. The choice stays if it is among those left; else
    the best by its recorded scores is taken, or the last attempt.

    Args:
        finished: A refinement, or the folder of one.
        convergence: The other policy.

    Returns:
        A refinement with the policy's verdicts; ``stopped_by`` is ``"unfinished"`` when it would
        have gone on after the last recorded attempt.

    Raises:
        StoreError: The folder holds no readable refinement.
    """
    done = finished if isinstance(finished, Refinement) else read_refinement(Path(finished))
    kept: list[Attempt] = []
    history: list[Attempt] = []
    stopped_by, reason = (
        "unfinished",
        (f"This policy goes on after the {len(done.attempts)} recorded attempts."),
    )
    for attempt in done.attempts:
        if attempt.baseline:
            kept.append(attempt)
            continue
        history.append(evolve(attempt, verdict=None))
        verdict = convergence.decide(history)
        kept.append(evolve(attempt, verdict=verdict))
        if verdict.stop:
            stopped_by, reason = "converged", verdict.reason
            break
    return evolve(
        done,
        attempts=tuple(kept),
        choice=_choice_among(kept, done.choice),
        stopped_by=stopped_by,
        reason=reason,
    )


def _choice_among(kept: list[Attempt], choice: Choice | None) -> Choice | None:
    if not kept or choice is None or choice.pick.attempt < len(kept):
        return choice if kept else None
    scored = {
        pick: choice.scores[pick_key(pick)]
        for position, attempt in enumerate(kept)
        for pick in (Pick(position, number) for number in range(len(attempt.candidates)))
        if pick_key(pick) in choice.scores
    }
    if not scored:
        last = Pick(len(kept) - 1)
        return Choice(last, "last", "The recorded choice comes after this policy's stop.")
    best = max(scored, key=lambda pick: scored[pick])
    reason = f"Best of the attempts before this policy's stop: {scored[best]:.4g}."
    left = {pick_key(pick): score for pick, score in scored.items()}
    return evolve(choice, pick=best, reason=reason, scores=left)
