"""Ranks, and their sums: scorers of any unit mix."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def mean_ranks(scores: Mapping[str, float], keys: Sequence[str]) -> dict[str, float]:
    """Rank of each key, 1 for the highest score; ties share the mean of their ranks.

    A key without a score, or with NaN, has no opinion and takes the middle rank of those that
    have one. Where nobody has one, all take the middle rank of all keys.
    """
    told = {key: scores[key] for key in keys if math.isfinite(scores.get(key, math.nan))}
    ranks = {key: ((len(told) or len(keys)) + 1) / 2 for key in keys}
    for key, score in told.items():
        above = sum(other > score for other in told.values())
        equal = sum(other == score for other in told.values())
        ranks[key] = above + (equal + 1) / 2
    return ranks


def rank_sums(
    scores: Sequence[Mapping[str, float]], weights: Sequence[float], keys: Sequence[str]
) -> dict[str, float]:
    """Weighted mean of the ranks that several scorers give (Borda's rule); lower is better.

    Args:
        scores: By scorer, higher is better.
        weights: As many, above 0.
        keys: What is ranked.
    """
    ranked = [mean_ranks(one, keys) for one in scores]
    total = sum(weights)
    return {
        key: sum(w * ranks[key] for w, ranks in zip(weights, ranked, strict=True)) / total
        for key in keys
    }


def first_by_ranks(
    scores: Sequence[Mapping[str, float]],
    weights: Sequence[float],
    keys: Sequence[str],
    tie: Mapping[str, float] | None = None,
) -> str:
    """The key with the lowest rank sum.

    On a tie the lower best rank, then the higher score in ``tie``, then the earlier key.
    """
    last = mean_ranks(tie or {}, keys)
    sums = rank_sums(scores, weights, keys)
    ranked = [mean_ranks(one, keys) for one in scores]
    best = {key: min(ranks[key] for ranks in ranked) for key in keys}
    # Sums of equal ranks in another order differ in their last bits.
    return min(keys, key=lambda key: (round(sums[key], 9), best[key], last[key], keys.index(key)))
