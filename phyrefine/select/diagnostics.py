"""How good a selector is: headroom, rank correlation, and the random pick beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.errors import InvalidInputError


@frozen
class Diagnostics:
    """One pool seen with ground truth; all in units of the true score.

    Attributes:
        chosen: True score of the chosen clip.
        random: Mean true score: what an even draw gives.
        best: Highest true score: the oracle.
        headroom: ``best - random``: all that any selector can win.
        kept: Share of the headroom the selector won; negative if it chose worse than chance,
            ``None`` without headroom.
        rank_correlation: Spearman's rho of the selector's scores with the true ones; ``None``
            when either is constant or the selector gives none.
    """

    chosen: float
    random: float
    best: float
    headroom: float
    kept: float | None
    rank_correlation: float | None


def diagnose(
    true_scores: Mapping[str, float], chosen: str, scores: Mapping[str, float] | None = None
) -> Diagnostics:
    """Hold a choice against ground truth.

    Args:
        true_scores: True score of every clip in the pool.
        chosen: Key of the chosen one.
        scores: The selector's own scores of the same clips.

    Raises:
        InvalidInputError: ``chosen`` is not in the pool.
    """
    if chosen not in true_scores:
        raise InvalidInputError(f"{chosen!r} is not in the pool {sorted(true_scores)}.")
    values = list(true_scores.values())
    random, best = float(np.mean(values)), float(max(values))
    headroom = best - random
    won = true_scores[chosen] - random
    keys = [key for key in true_scores if scores and key in scores]
    rho = None
    if scores and len(keys) > 1:
        rho = rank_correlation([scores[key] for key in keys], [true_scores[key] for key in keys])
    kept = won / headroom if headroom > 1e-12 else None
    return Diagnostics(true_scores[chosen], random, best, headroom, kept, rho)


def rank_correlation(one: Sequence[float], two: Sequence[float]) -> float | None:
    """Spearman's rho, ties ranked by their mean; ``None`` when either side is constant."""
    first, second = _ranks(one), _ranks(two)
    if first.std() == 0 or second.std() == 0:
        return None
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(np.asarray(values, float), return_inverse=True,
                                   return_counts=True)  # fmt: skip
    ends = np.cumsum(counts)
    means = (ends - counts + ends - 1) / 2
    ranks: NDArray[np.float64] = means[inverse]
    return ranks
