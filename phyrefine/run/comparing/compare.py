"""Runs side by side: paired differences over the same scenarios, with bootstrap intervals."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import field, frozen

from phyrefine import _upward
from phyrefine._atomic import write_bytes
from phyrefine.errors import InvalidInputError
from phyrefine.run.results import folder_name, read_refinement, refinement_folders
from phyrefine.table import Table
from phyrefine.types import Refinement, pick_key

Metric = Callable[[Refinement], float | None]
Run = Iterable[Refinement] | str | Path


def _violations(refinement: Refinement) -> float | None:
    critique = refinement.best.critique if refinement.choice is not None else None
    return None if critique is None else float(len(critique.violations))


def _severity(refinement: Refinement) -> float | None:
    critique = refinement.best.critique if refinement.choice is not None else None
    return None if critique is None else critique.severity


def _score(refinement: Refinement) -> float | None:
    choice = refinement.choice
    return None if choice is None else choice.scores.get(pick_key(choice.pick))


METRICS: Mapping[str, Metric] = {
    "violations": _violations,
    "severity": _severity,
    "score": _score,
    "attempts": lambda refinement: float(len(refinement.attempts)),
    "seconds": lambda refinement: refinement.usage.seconds,
    "usd": lambda refinement: refinement.usage.usd,
}
# Enough for intervals that are stable to two digits.
RESAMPLES = 10_000


@frozen
class Difference:
    """One measure of one run against the first run, over the scenarios that both have.

    Attributes:
        run: Name of the run.
        measure: What was measured.
        scenarios: Pairs of values.
        mean: Mean of the run.
        reference: Mean of the first run, over the same scenarios.
        difference: Mean of the paired differences.
        low: Lower end of the 95 % bootstrap interval of the difference over scenarios; ``None``
            for fewer than two pairs.
        high: Its upper end.
    """

    run: str
    measure: str
    scenarios: int
    mean: float
    reference: float
    difference: float
    low: float | None
    high: float | None


@frozen
class RunComparison:
    """What :func:`compare` gives.

    Attributes:
        differences: One for each run after the first and each measure.
        reference: Name of the first run.
        notes: What could not be compared, in words.
    """

    differences: tuple[Difference, ...]
    reference: str
    notes: tuple[str, ...] = field(default=())

    @property
    def table(self) -> Table:
        """The differences as a table."""
        columns = ("run", "measure", "scenarios", "mean", self.reference, "difference",
                   "95 % from", "to")  # fmt: skip
        rows = [
            (one.run, one.measure, one.scenarios, one.mean, one.reference, one.difference,
             one.low, one.high)
            for one in self.differences
        ]  # fmt: skip
        caption = f"Against {self.reference}, paired by scenario"
        return Table(columns, rows, caption=caption, notes=self.notes)

    def __str__(self) -> str:
        return str(self.table)

    def _repr_html_(self) -> str:
        return self.table._repr_html_()

    def to_frame(self) -> Any:
        """A ``pandas.DataFrame``, one row per run and measure.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        return _upward.frame(self.table.rows, self.table.columns)

    def to_csv(self, path: str | Path | None = None) -> str:
        """The table as CSV text, written to ``path`` if there is one."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.table.columns)
        writer.writerows(self.table.rows)
        if path is not None:
            write_bytes(Path(path), text.getvalue().encode())
        return text.getvalue()

    def to_html(self, path: str | Path | None = None) -> str:
        """The table as a page, written to ``path`` if there is one."""
        page = (
            '<!doctype html><html lang="en"><meta charset="utf-8">'
            f"<title>Against {_escaped(self.reference)}</title>{self._repr_html_()}</html>\n"
        )
        if path is not None:
            write_bytes(Path(path), page.encode())
        return page


def compare(
    runs: Mapping[str, Run], *, measures: Mapping[str, Metric] | None = None, seed: int = 0
) -> RunComparison:
    """Compare runs over the same scenarios with the first of them.

    Differences are paired by scenario; their intervals come from resampling scenarios with
    replacement (percentile bootstrap, 10 000 resamples).

    Args:
        runs: Refinements, or the run folder that holds them, by name; the first is the reference.
        measures: What to measure, by name; a measure gives ``None`` where it has no value. By
            default violations and severity in the chosen clip, its score, attempts, seconds and
            dollars. A score of the truth is one of yours: ``{"truth": my_score}``.
        seed: Of the resampling.

    Raises:
        InvalidInputError: Fewer than two runs, or no scenario in common.
    """
    if len(runs) < 2:
        raise InvalidInputError(f"compare() needs two runs or more, not {len(runs)}.")
    found = {name: _by_scenario(run) for name, run in runs.items()}
    reference, *others = found
    notes: list[str] = []
    differences: list[Difference] = []
    for name in others:
        common = [key for key in found[reference] if key in found[name]]
        if not common:
            raise InvalidInputError(f"{reference!r} and {name!r} have no scenario in common.")
        left = len(found[reference]) + len(found[name]) - 2 * len(common)
        if left:
            notes.append(f"{left} scenarios are in one of {reference} and {name} only: left out.")
        for measure, read in (measures or METRICS).items():
            pairs = [(read(found[reference][key]), read(found[name][key])) for key in common]
            known = [(a, b) for a, b in pairs if a is not None and b is not None]
            if known:
                differences.append(_difference(name, measure, known, seed))
            if len(known) < len(pairs):
                notes.append(
                    f"{measure} of {name}: unknown for {len(pairs) - len(known)} of {len(pairs)} "
                    "scenarios, left out."
                )
    return RunComparison(tuple(differences), reference, tuple(notes))


def _by_scenario(run: Run) -> dict[str, Refinement]:
    if isinstance(run, str | Path):
        refined = [read_refinement(folder) for folder in refinement_folders(run)]
        if not refined:
            raise InvalidInputError(f"{run} holds no finished refinement.")
    else:
        refined = list(run)
    return {folder_name(one.scenario): one for one in refined}


def _difference(
    name: str, measure: str, pairs: Sequence[tuple[float, float]], seed: int
) -> Difference:
    values = np.asarray(pairs, float)
    change = values[:, 1] - values[:, 0]
    low = high = None
    if len(change) > 1:
        random = np.random.default_rng(seed)
        drawn = change[random.integers(0, len(change), (RESAMPLES, len(change)))].mean(axis=1)
        low, high = (float(end) for end in np.quantile(drawn, (0.025, 0.975)))
    before, after = values.mean(axis=0)
    return Difference(
        name, measure, len(pairs), float(after), float(before), float(change.mean()), low, high
    )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
