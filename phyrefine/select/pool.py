"""Reading a pool: its entries, its best by score, and what its clips move like."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from phyrefine.types import Attempt, Choice, Entry, Pool, Scenario

_NOWHERE = Scenario("any")


def entries(attempts: Sequence[Attempt]) -> tuple[Entry, ...]:
    """Every candidate, in the order it was made.

    Raises:
        InvalidInputError: There is no clip to choose from.
    """
    return Pool.of(_NOWHERE, attempts).entries


def highest(
    pool: Sequence[Entry],
    scores: Mapping[str, float],
    selector: str,
    *,
    oracle: bool = False,
    noise: float | None = None,
) -> Choice:
    """The entry with the highest score; the earlier one on a tie, so that ties change nothing."""
    best = max(pool, key=lambda entry: scores[entry.key])
    reason = f"{best.name} has the highest score, {scores[best.key]:.3g}, of {len(pool)} clips"
    return Choice(best.pick, selector, reason, dict(scores), oracle, noise)


def known(scores: Mapping[str, float]) -> dict[str, float]:
    """The scores that are an opinion: finite ones."""
    return {key: score for key, score in scores.items() if math.isfinite(score)}
