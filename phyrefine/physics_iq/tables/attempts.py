"""Stored attempts of a benchmark run: every clip's measurements, by loop, steps and seed.

Plain data: it can come from a bench run, from other people's folders, or be written by hand.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence

import attrs

from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.data.layout import PLAIN, Edition, RunKey
from phyrefine.physics_iq.scoring.original import OriginalScore, original_score
from phyrefine.physics_iq.scoring.results import ResultTable, ViewResult, mean_rounded
from phyrefine.physics_iq.scoring.verified import sample_ratios

Picks = Mapping[str, RunKey]


@attrs.frozen
class Attempts:
    """Measurements of every clip of a run.

    Attributes:
        edition: Ground truth they were measured against.
        results: By run, then by sample name; every run has the same samples.
        categories: Category of each sample, where known.
    """

    edition: Edition
    results: Mapping[RunKey, Mapping[str, ViewResult]]
    categories: Mapping[str, str] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        sets = {key: frozenset(views) for key, views in self.results.items()}
        if not sets or not next(iter(sets.values())):
            raise InvalidInputError("There are no stored attempts.")
        first = next(iter(sets.values()))
        for key, names in sets.items():
            if names != first:
                differ = sorted(names ^ first)[:4]
                raise InvalidInputError(f"{key.name} has other samples than the rest: {differ}.")

    @property
    def samples(self) -> tuple[str, ...]:
        """Sample names in order."""
        return tuple(sorted(next(iter(self.results.values()))))

    @property
    def rows(self) -> tuple[tuple[int, int], ...]:
        """(loop, steps) of every refined row: by steps, then by loop, as Table 1 counts them."""
        rows = {key.row for key in self.results if key.loop > PLAIN}
        return tuple(sorted(rows, key=lambda row: (row[1], row[0])))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that every row has."""
        by_row: dict[tuple[int, int], set[int]] = {}
        for key in self.results:
            by_row.setdefault(key.row, set()).add(key.seed)
        return tuple(sorted(set.intersection(*by_row.values())))

    def keys(self, row: tuple[int, int]) -> tuple[RunKey, ...]:
        """Runs of a row, by seed.

        Raises:
            InvalidInputError: There is no such row.
        """
        keys = tuple(sorted(key for key in self.results if key.row == row))
        if not keys:
            raise InvalidInputError(f"No stored attempts of loop {row[0]} at {row[1]} steps.")
        return keys

    def table(self, key: RunKey, category: str | None = None) -> ResultTable:
        """Result table of one run, whole or of one category."""
        return self.combined(dict.fromkeys(self.samples, key), category)

    def combined(self, picks: Picks, category: str | None = None) -> ResultTable:
        """Result table of an ensemble: for each sample the measurements of the clip it picked.

        Args:
            picks: Run chosen for every sample.
            category: Only samples of it.

        Raises:
            InvalidInputError: A sample has no pick, or the category has no sample.
        """
        names = [
            name
            for name in self.samples
            if category is None or self.categories.get(name) == category
        ]
        lacking = [name for name in names if name not in picks]
        if lacking or not names:
            what = f"samples without a pick: {lacking[:4]}" if lacking else f"none in {category!r}"
            raise InvalidInputError(f"Cannot put an ensemble together: {what}.")
        return ResultTable.of(self.results[picks[name]][name] for name in names)

    def true_score(self, key: RunKey, name: str) -> float:
        """What a clip adds to the edition's score, by ground truth; higher is better.

        Both scores are means over samples once the real takes are given (Original up to its
        rounding and clipping), so the best clip of every sample makes the best ensemble.
        """
        result = self.results[key][name]
        first, variance = result.first, result.variance
        timed, error = mean_rounded(first.spatiotemporal_iou), mean_rounded(first.mse)
        if self.edition is Edition.ORIGINAL:
            real = self._variances
            ratios = (
                timed / (real.variance_spatiotemporal_iou or 1.0),
                first.spatial_iou / (real.variance_spatial or 1.0),
                first.weighted_spatial_iou / (real.variance_weighted_spatial or 1.0),
            )
            return sum(ratios) / len(ratios) - error
        clipped = sample_ratios(
            (first.spatial_iou, variance.spatial_iou),
            (first.weighted_spatial_iou, variance.weighted_spatial_iou),
            (timed, mean_rounded(variance.spatiotemporal_iou)),
            (error, mean_rounded(variance.mse)),
        )
        return sum(min(max(ratio, 0.0), 1.0) for ratio in clipped.values()) / len(clipped)

    @functools.cached_property
    def _variances(self) -> OriginalScore:
        """How the real takes differ: the same in every run."""
        return original_score(self.table(next(iter(self.results))))


def require_table(keys: Iterable[RunKey]) -> None:
    """See that a table can be made of these runs.

    Raises:
        InvalidInputError: None of them is refined, or no seed is there in every row.
    """
    by_row: dict[tuple[int, int], list[RunKey]] = {}
    for key in sorted(keys):
        by_row.setdefault(key.row, []).append(key)
    if all(loop <= PLAIN for loop, _ in by_row):
        names = ", ".join(key.name for row in by_row.values() for key in row)
        raise InvalidInputError(
            f"There is no refined row to make ensembles of, only the plain description: {names}. "
            "Add runs of a loop, such as loop1-seed0."
        )
    if not set.intersection(*({key.seed for key in row} for row in by_row.values())):
        said = "; ".join(", ".join(key.name for key in row) for row in by_row.values())
        raise InvalidInputError(
            f"The rows share no seed, so nothing can be picked between them: {said}. Give every "
            "row a run of one seed."
        )


def oracle_picks(attempts: Attempts, keys: Sequence[RunKey]) -> dict[str, RunKey]:
    """For each sample the clip with the best true score: a bound, never a method."""
    return {
        name: max(keys, key=lambda key: attempts.true_score(key, name)) for name in attempts.samples
    }


def picks_by(
    scores: Mapping[str, Mapping[RunKey, float]], samples: Iterable[str], keys: Sequence[RunKey]
) -> dict[str, RunKey]:
    """For each sample the clip a selector scored highest; the earlier on a tie.

    Args:
        scores: The selector's scores by sample and run, made without ground truth.
        samples: Which samples.
        keys: Which runs may be picked.

    Raises:
        InvalidInputError: A score is missing.
    """
    picks = {}
    for name in samples:
        known = scores.get(name, {})
        if any(key not in known for key in keys):
            lacking = [key.name for key in keys if key not in known]
            raise InvalidInputError(f"The selector has no score of {lacking[:3]} for {name}.")
        picks[name] = max(keys, key=lambda key: known[key])
    return picks
