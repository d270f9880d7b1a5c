"""Decide a finished run again under another convergence policy, without any backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import evolve

from phyrefine.protocols import Convergence
from phyrefine.run.endings import UNFINISHED, rule_of
from phyrefine.run.results import read_refinement
from phyrefine.types import Attempt, Choice, Pick, Refinement, Verdict, pick_key


def replay(finished: Refinement | str | Path, convergence: Convergence) -> Refinement:
    """The refinement as it would have ended under another policy.

    Attempts after the policy's stop are cut off, chain by chain where there are several. The choice
    stays if it is among those left; else the best by its recorded scores is taken, or the last
    attempt.

    Args:
        finished: A refinement, or the folder of one.
        convergence: The other policy.

    Returns:
        A refinement with the policy's verdicts; ``stopped_by`` is the rule that stopped it,
        or ``"unfinished"`` when it would have gone on after the last recorded attempt.

    Raises:
        StoreError: The folder holds no readable refinement.
    """
    done = finished if isinstance(finished, Refinement) else read_refinement(Path(finished))
    kept: dict[int, Attempt] = {}
    last: Verdict | None = None
    for chain in _chains(done.attempts):
        last = None
        history: list[Attempt] = []
        for position, attempt in chain:
            if attempt.baseline:
                kept[position] = attempt
                continue
            history.append(evolve(attempt, verdict=None))
            last = convergence.decide(history)
            kept[position] = evolve(attempt, verdict=last)
            if last.stop:
                break
    stopped = last is not None and last.stop
    goes_on = f"This policy goes on after the {len(done.attempts)} recorded attempts."
    return evolve(
        done,
        attempts=tuple(kept.values()),
        choice=_choice_among(list(kept), done.choice),
        stopped_by=rule_of(last) if last is not None and stopped else UNFINISHED,
        reason=f"{last.rule}: {last.reason}" if last is not None and stopped else goes_on,
    )


def _chains(attempts: Sequence[Attempt]) -> list[list[tuple[int, Attempt]]]:
    """Attempts with their positions, cut where the count of loops starts anew."""
    chains: list[list[tuple[int, Attempt]]] = []
    for position, attempt in enumerate(attempts):
        if not chains or attempt.index <= chains[-1][-1][1].index:
            chains.append([])
        chains[-1].append((position, attempt))
    return chains


def _choice_among(kept: list[int], choice: Choice | None) -> Choice | None:
    """The choice among the attempts at these old positions, by their new ones."""
    if choice is None or not kept:
        return None
    moved = {old: new for new, old in enumerate(kept)}
    scores = {
        Pick(moved[attempt], candidate): score
        for (attempt, candidate), score in _by_position(choice.scores).items()
        if attempt in moved
    }
    left = {pick_key(pick): score for pick, score in scores.items()}
    if choice.pick.attempt in moved:
        pick = Pick(moved[choice.pick.attempt], choice.pick.candidate)
        return evolve(choice, pick=pick, scores=left)
    if not scores:
        why = "The recorded choice comes after this policy's stop."
        return Choice(Pick(len(kept) - 1), "last", why)
    best = max(scores, key=lambda pick: scores[pick])
    why = f"Best of the attempts before this policy's stop: {scores[best]:.4g}."
    return evolve(choice, pick=best, reason=why, scores=left)


def _by_position(scores: Mapping[str, float]) -> dict[tuple[int, int], float]:
    """Scores by (attempt, candidate); see :func:`~phyrefine.types.pick_key`."""
    return {
        (int(attempt), int(candidate)): score
        for key, score in scores.items()
        for attempt, _, candidate in [key.partition(".")]
    }
