"""``Combined``: one or several scorers, their ranks summed, within the moving part of the pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import field, frozen, validators

from phyrefine.errors import InvalidInputError
from phyrefine.protocols import PoolScorer
from phyrefine.select.combining.guard import Guarded, MotionGuard
from phyrefine.select.combining.ranks import first_by_ranks, rank_sums
from phyrefine.select.pool import known
from phyrefine.select.scorers.severity import Severity
from phyrefine.types import Attempt, Choice, Pool, PoolScores, Scenario


def _as_weights(weights: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(weight) for weight in weights)


def as_scorers(scorers: Sequence[PoolScorer]) -> tuple[PoolScorer, ...]:
    """A tuple of them."""
    return tuple(scorers)


@frozen
class Combined:
    """Chooses by one scorer, or by the sum of the ranks that several give.

    Attributes:
        scorers: At least one.
        weights: One per scorer, above 0; equal by default.
        guard: Which clips compete; ``None`` for all.
    """

    scorers: tuple[PoolScorer, ...] = field(converter=as_scorers, validator=validators.min_len(1))
    weights: tuple[float, ...] = field(default=(), converter=_as_weights)
    guard: MotionGuard | None = field(factory=MotionGuard)

    def __attrs_post_init__(self) -> None:
        wrong = any(not weight > 0 for weight in self.weights)
        if wrong or len(self.weights) not in (0, len(self.scorers)):
            raise InvalidInputError(
                f"Combined needs one weight above 0 for each of its {len(self.scorers)} scorers, "
                f"or none; got {list(self.weights)}."
            )

    @property
    def name(self) -> str:
        """Names of the scorers, joined by ``+``."""
        return "+".join(scorer.name for scorer in self.scorers)

    def choose(self, scenario: Scenario, attempts: Sequence[Attempt]) -> Choice:
        """The best rank sum within the guard; of several the earlier clip."""
        pool = Pool.of(scenario, attempts)
        left = self.guard.apply(pool) if self.guard is not None else None
        within = pool if left is None else pool.only(left.kept)
        said = [scorer.score_pool(within) for scorer in self.scorers]
        return decide(pool, within, self.name, self._named(said), self._weights(), left)

    def _weights(self) -> tuple[float, ...]:
        return self.weights or (1.0,) * len(self.scorers)

    def _named(self, said: Sequence[PoolScores]) -> list[tuple[str, PoolScores]]:
        return [(scorer.name, scores) for scorer, scores in zip(self.scorers, said, strict=True)]


def decide(
    pool: Pool,
    within: Pool,
    name: str,
    said: Sequence[tuple[str, PoolScores]],
    weights: Sequence[float],
    left: Guarded | None = None,
) -> Choice:
    """Turn what scorers said into a choice.

    Args:
        pool: Every clip.
        within: Those that compete.
        name: Of the rule, for the report.
        said: Scorers' names and scores.
        weights: One per scorer.
        left: What the guard did.

    Returns:
        Its scores are the scorer's own, or with several the mean rank with its sign turned; a
        clip that does not compete has one less than the worst that does. No scores if nobody had
        an opinion. Ties go to the clip whose critique is least severe, where the critic was
        asked, and then to the earlier one.
    """
    keys = within.keys
    opinions = [_within(known(scores.values), keys) for _, scores in said]
    verdicts = known(Severity().score_pool(within).values)
    winner = first_by_ranks(opinions, weights, keys, verdicts)
    scores = _totals(opinions, weights, keys)
    notes = [f"{who}: {note}" for who, scored in said for note in scored.notes]
    words = [_headline(within, winner, name, scores, alone=len(said) == 1)]
    if left is not None:
        words += [left.reason, left.motion_in_words(winner)]
    worst = min(scores.values(), default=0.0)
    if scores:
        scores |= {key: worst - 1.0 for key in pool.keys if key not in scores}
    return Choice(
        pool[winner].pick,
        name,
        "; ".join(filter(None, [*words, *notes])),
        {key: scores[key] for key in pool.keys if key in scores},
        noise=said[0][1].noise if len(said) == 1 else None,
        parts={who: told for (who, _), told in zip(said, opinions, strict=True)},
    )


def _within(opinions: Mapping[str, float], keys: Sequence[str]) -> dict[str, float]:
    return {key: opinions[key] for key in keys if key in opinions}


def _totals(
    opinions: Sequence[Mapping[str, float]], weights: Sequence[float], keys: Sequence[str]
) -> dict[str, float]:
    if not any(opinions):
        return {}
    if len(opinions) > 1:
        return {key: -rank for key, rank in rank_sums(opinions, weights, keys).items()}
    own = opinions[0]
    middle = sorted(own.values())[(len(own) - 1) // 2]
    return {key: own.get(key, middle) for key in keys}


def _headline(
    within: Pool, winner: str, name: str, scores: Mapping[str, float], *, alone: bool
) -> str:
    who, count = within[winner].name, len(within.entries)
    if not scores:
        return f"{who} is the first of {count} clips: {name} has no opinion of any"
    if alone:
        return f"{who} has the highest {name} score, {scores[winner]:.3g}, of {count} clips"
    return f"{who} has the best mean rank, {-scores[winner]:.3g} of {count}, by {name}"
