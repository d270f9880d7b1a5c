"""Decide a finished run again: another convergence policy, selector or score; nothing is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import evolve

from phyrefine.protocols import Convergence, PoolScorer, Selector
from phyrefine.run.endings import UNFINISHED, rule_of
from phyrefine.run.results import read_refinement
from phyrefine.select.combining.controls import with_controls
from phyrefine.types import Attempt, Choice, Pick, Pool, Refinement, Verdict, pick_key


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


def rechoose(finished: Refinement | str | Path, selector: Selector) -> Refinement:
    """The refinement with the choice of another selector, automatic or human.

    Args:
        finished: A refinement, or the folder of one.
        selector: Chooses among the same clips; among the finals only, where there are some.

    Raises:
        InvalidInputError: There is no clip, or the selector has no opinion of these.
        StoreError: The folder holds no readable refinement.
        BackendError: A model that it asks failed.
    """
    done = finished if isinstance(finished, Refinement) else read_refinement(Path(finished))
    begin = finals_begin(done.attempts)
    competing = done.attempts[begin:]
    choice = selector.choose(done.scenario, competing)
    return evolve(done, choice=moved(with_controls(choice, done.scenario, competing), begin))


def rescore(
    finished: Refinement | str | Path, scorers: Mapping[str, PoolScorer]
) -> dict[str, dict[str, float]]:
    """Scores of every clip of a finished run by other scorers; NaN is no opinion.

    Args:
        finished: A refinement, or the folder of one.
        scorers: By name. :class:`~phyrefine.select.scorers.each.EachClip` makes one of a scorer
            that sees one clip at a time.

    Returns:
        By scorer, then by ``"attempt.candidate"``; higher is better.

    Raises:
        InvalidInputError: There is no clip.
        StoreError: The folder holds no readable refinement.
    """
    done = finished if isinstance(finished, Refinement) else read_refinement(Path(finished))
    pool = Pool.of(done.scenario, done.attempts)
    return {name: dict(scorer.score_pool(pool).values) for name, scorer in scorers.items()}


def finals_begin(attempts: Sequence[Attempt]) -> int:
    """Where those that compete begin: where there are finals, drafts do not compete any more."""
    return next((at for at, one in enumerate(attempts) if one.final), 0)


def moved(choice: Choice, by: int) -> Choice:
    """A choice among the last attempts as one among all: ``by`` attempts stand before them."""
    if not by:
        return choice

    def keys(scores: Mapping[str, float]) -> dict[str, float]:
        return {_later(key, by): score for key, score in scores.items()}

    return evolve(
        choice,
        pick=Pick(choice.pick.attempt + by, choice.pick.candidate),
        scores=keys(choice.scores),
        parts={name: keys(scores) for name, scores in choice.parts.items()},
        controls={name: _later(key, by) for name, key in choice.controls.items()},
    )


def _later(key: str, by: int) -> str:
    attempt, _, candidate = key.partition(".")
    return pick_key(Pick(int(attempt) + by, int(candidate)))


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
