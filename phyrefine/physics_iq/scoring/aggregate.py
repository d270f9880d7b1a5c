"""Several runs of one model: mean and sample standard deviation, in the official spelling."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
import numpy as np

from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.data.layout import Edition
from phyrefine.physics_iq.scoring.evaluation import Evaluation
from phyrefine.physics_iq.scoring.original import original_score
from phyrefine.physics_iq.scoring.results import ResultTable
from phyrefine.physics_iq.scoring.verified import verified_score

MOST_RUNS = 4  # the official aggregate takes no more
_PARTS = {"SP": "spatial", "ST": "spatiotemporal", "WS": "weighted_spatial", "MSE": "mse"}
_SUFFIX = {Edition.VERIFIED: "verified", Edition.ORIGINAL: "orig."}


@attrs.frozen
class Spread:
    """Mean and sample standard deviation (n - 1); NaN with a single value."""

    mean: float
    std: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        std = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
        return cls(float(np.mean(values)), std)

    def __str__(self) -> str:
        spread = "" if math.isnan(self.std) else f" ± {self.std:.2f}"
        return f"{self.mean:.2f}{spread}"


@attrs.frozen
class Aggregate:
    """Scores of several runs in percent.

    Attributes:
        runs: How many.
        spreads: By label: ``Phys-IQ verified``, ``SP verified``, ... or the same with ``orig.``.
    """

    runs: int
    spreads: dict[str, Spread]

    def to_csv(self, model: str | None = None) -> str:
        """The official CSV: one row, two decimals."""
        names = [f"{label} {part}" for label in self.spreads for part in ("mean", "std")]
        cells = [
            _two_decimals(value) for item in self.spreads.values() for value in attrs.astuple(item)
        ]
        head, row = ([], []) if model is None else (["Model"], [model])
        return f"{','.join([*head, *names])}\n{','.join([*row, *cells])}\n"

    def to_latex(self) -> str:
        """The official LaTeX table: one decimal."""
        lines = [r"\begin{tabular}{ll}", r"\toprule", r" & Mean ± Std \\", r"Score &  \\"]
        lines.append(r"\midrule")
        for label, item in self.spreads.items():
            std = "" if math.isnan(item.std) else rf" \pm {item.std:.1f}"
            lines.append(rf"{label} & ${item.mean:.1f}{std}$ \\")
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def aggregate(runs: Sequence[Evaluation]) -> Aggregate:
    """Mean and deviation over runs of one model.

    Raises:
        InvalidInputError: No runs, more than four, or runs measured in different ways.
    """
    kinds = {run.provenance for run in runs}
    if len(kinds) > 1:
        raise InvalidInputError(
            "These runs were not measured alike and must not be averaged: "
            + "; ".join(sorted(str(kind) for kind in kinds))
        )
    if not runs:
        raise InvalidInputError("No runs to aggregate.")
    return aggregate_tables([run.table for run in runs], runs[0].provenance.edition)


def aggregate_tables(tables: Sequence[ResultTable], edition: Edition) -> Aggregate:
    """The same for tables whose edition the caller knows; errors as :func:`aggregate`."""
    if not 0 < len(tables) <= MOST_RUNS:
        raise InvalidInputError(
            f"Between 1 and {MOST_RUNS} runs are aggregated, got {len(tables)}."
        )
    rows = [_percentages(table, edition) for table in tables]
    spreads = {label: Spread.of([row[label] for row in rows]) for label in rows[0]}
    return Aggregate(len(tables), spreads)


def headline(table: ResultTable, edition: Edition) -> float:
    """The number of the edition's leaderboard, in percent."""
    if edition is Edition.ORIGINAL:
        return original_score(table).score
    return 100 * verified_score(table).score


def _percentages(table: ResultTable, edition: Edition) -> dict[str, float]:
    suffix = _SUFFIX[edition]
    if edition is Edition.VERIFIED:
        verified = verified_score(table)
        total, parts = verified.score, dict(verified.metrics)
    else:
        # The official aggregate averages the spelling without rounded variances.
        original = original_score(table, exact=True)
        total, parts = float(np.clip(original.unclipped / 100, 0.0, 1.0)), original.ratios
    labelled = {f"{label} {suffix}": 100 * parts[part] for label, part in _PARTS.items()}
    return {f"Phys-IQ {suffix}": 100 * total, **labelled}


def _two_decimals(value: float) -> str:
    return "" if math.isnan(value) else repr(float(np.round(value, 2)))
