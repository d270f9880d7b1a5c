"""Successive halving: cheap scorers first, each round keeping the better half for a dearer one."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, field, frozen, validators

from phyrefine.protocols import PoolScorer
from phyrefine.select.combining.combined import as_scorers, decide
from phyrefine.select.combining.guard import MotionGuard
from phyrefine.select.combining.ranks import mean_ranks
from phyrefine.select.pool import known
from phyrefine.types import Attempt, Choice, Pool, PoolScores, Scenario


@frozen
class Halving:
    """Each scorer but the last halves what is left of the pool; the last one chooses.

    Where the last has no opinion of any clip, the one before it decides.

    Attributes:
        scorers: From cheap to dear, at least two.
        guard: Which clips compete; ``None`` for all.
    """

    scorers: tuple[PoolScorer, ...] = field(converter=as_scorers, validator=validators.min_len(2))
    guard: MotionGuard | None = field(factory=MotionGuard)

    @property
    def name(self) -> str:
        """Names of the scorers, joined by ``>``."""
        return ">".join(scorer.name for scorer in self.scorers)

    def choose(self, scenario: Scenario, attempts: Sequence[Attempt]) -> Choice:
        """The last scorer's best among those that the others kept."""
        pool = Pool.of(scenario, attempts)
        left = self.guard.apply(pool) if self.guard is not None else None
        within = pool if left is None else pool.only(left.kept)
        rounds: list[tuple[str, PoolScores]] = []
        for scorer in self.scorers[:-1]:
            said = scorer.score_pool(within)
            rounds.append((scorer.name, said))
            within = within.only(better_half(within.keys, said))
        last = self.scorers[-1]
        rounds.append((last.name, last.score_pool(within)))
        spoke = [round_ for round_ in rounds if _speaks(round_[1], within)] or rounds
        choice = decide(pool, within, self.name, spoke[-1:], (1.0,), left)
        notes = [
            f"{name}: {n}" for name, said in rounds if said is not spoke[-1][1] for n in said.notes
        ]
        parts = {name: known(said.values) for name, said in rounds}
        return evolve(choice, reason="; ".join([choice.reason, *notes]), parts=parts)


def _speaks(said: PoolScores, within: Pool) -> bool:
    """Whether a scorer has an opinion of any clip that is left."""
    return any(key in known(said.values) for key in within.keys)


def better_half(keys: Sequence[str], said: PoolScores) -> tuple[str, ...]:
    """The better half, rounded up, in the pool's order; ties keep the earlier."""
    ranks = mean_ranks(said.values, keys)
    kept = sorted(keys, key=lambda key: ranks[key])[: -(-len(keys) // 2)]
    return tuple(key for key in keys if key in kept)
