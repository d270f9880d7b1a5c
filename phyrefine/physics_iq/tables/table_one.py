"""Table 1 of the paper (arXiv 2511.20280) from stored attempts, with what it leaves out.

A row per (loop, steps), the plain description beside them, and ensembles over any subset of the
rows. An ensemble that looked at ground truth (oracle) is a bound; it is never put among the
reference-free ones.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import attrs
import numpy as np

from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.data.layout import CATEGORIES, GIVEN, PLAIN, Edition, RunKey
from phyrefine.physics_iq.scoring.aggregate import Spread, headline
from phyrefine.physics_iq.tables.attempts import (
    Attempts,
    Picks,
    oracle_picks,
    picks_by,
    require_table,
)
from phyrefine.select.diagnostics import diagnose
from phyrefine.table import Table

Kind = Literal["plain", "given", "loop", "random", "reference-free", "oracle"]
SelectorScores = Mapping[str, Mapping[RunKey, float]]
_NOTHING = 1e-9
_ORDER: tuple[Kind, ...] = ("plain", "given", "loop", "random", "reference-free", "oracle")


@attrs.frozen
class Row:
    """One line of the table.

    Attributes:
        label: In words.
        kind: What sort of number it is; ``oracle`` rows looked at ground truth.
        number: Number of a loop row, from 1; ensembles name rows by it.
        place: (loop, steps) of a row that is no ensemble; loop 0 is the plain description, -1
            prompts of others.
        score: Mean and deviation over seeds, in percent.
        categories: The same for each category that has samples.
    """

    label: str
    kind: Kind
    number: int | None
    place: tuple[int, int] | None
    score: Spread
    categories: Mapping[str, Spread]


@attrs.frozen
class TableOne:
    """The table.

    Attributes:
        edition: Ground truth.
        seeds: Seeds averaged over.
        samples: How many samples.
        rows: Lines in order of kind.
        notes: How good each reference-free selector is, and what else a reader should know.
    """

    edition: Edition
    seeds: tuple[int, ...]
    samples: int
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def of_kind(self, kind: Kind) -> tuple[Row, ...]:
        """Lines of one kind."""
        return tuple(row for row in self.rows if row.kind == kind)

    def shown(self) -> Table:
        """For a terminal or a notebook."""
        categories = [name for name in CATEGORIES if any(name in r.categories for r in self.rows)]
        lines = []
        for row in self.rows:
            cells = [row.categories.get(name, "–") for name in categories]
            number = "" if row.number is None else row.number
            kind = "ORACLE" if row.kind == "oracle" else row.kind
            lines.append([number, row.label, kind, *map(str, [row.score, *cells])])
        return Table(
            ("#", "row", "kind", f"Physics-IQ {self.edition}", *categories),
            lines,
            caption=f"{self.samples} samples, seeds {', '.join(map(str, self.seeds))}",
            notes=(
                "ORACLE rows chose by ground truth: a bound to read beside a method, not a method.",
                "± is the sample standard deviation over seeds; without it there was one seed.",
                *self.notes,
            ),
        )

    def to_json(self) -> str:
        """As strict JSON; a deviation that a single seed does not have is null."""

        def plain(_: Any, __: Any, value: Any) -> Any:
            return None if isinstance(value, float) and not math.isfinite(value) else value

        return json.dumps(attrs.asdict(self, value_serializer=plain), indent=1, allow_nan=False)


def table_one(
    attempts: Attempts,
    *,
    subsets: Iterable[Sequence[int]] = (),
    selectors: Mapping[str, SelectorScores] | None = None,
    notes: Iterable[str] = (),
) -> TableOne:
    """Make the table.

    Args:
        attempts: Stored attempts.
        subsets: Row numbers to put into ensembles, such as ``(1, 2, 5)``; 0 stands for the plain
            description's rows. The set of all refined rows is always there if there are several.
        selectors: Scores of reference-free selectors by name, sample and run. One that lacks
            scores of plain clips is left out of ensembles with row 0.
        notes: Put under the table.

    Raises:
        InvalidInputError: No refined row, no seed that every row has, a subset that names a row
            that is not there, or a selector that lacks scores.
    """
    require_table(attempts.results)
    maker = _Maker(attempts)
    wanted = dict.fromkeys(tuple(sorted(set(subset))) for subset in subsets)
    if len(attempts.rows) > 1:  # an ensemble of one row is that row again
        wanted[tuple(range(1, len(attempts.rows) + 1))] = None
    rows = [*maker.plain(), *maker.given(), *maker.loops()]
    for subset in wanted:
        rows += maker.ensembles(subset, selectors or {})
    rows.sort(key=lambda row: _ORDER.index(row.kind))
    said = [judged(attempts, title, scores) for title, scores in (selectors or {}).items()]
    seeds = attempts.seeds
    left_out = sorted(key for key in attempts.results if key.seed not in seeds)
    if left_out:
        names = ", ".join(key.name for key in left_out)
        said.append(f"Left out, as not every row has their seed: {names}.")
    return TableOne(
        attempts.edition, attempts.seeds, len(attempts.samples), tuple(rows), (*said, *notes)
    )


def judged(attempts: Attempts, title: str, scores: SelectorScores) -> str:
    """How a selector does against ground truth on the pool of all refined rows, in words."""
    won, room, correlations = 0.0, 0.0, []
    for name in attempts.samples:
        for seed in attempts.seeds:
            keys = [RunKey(loop, steps, seed) for loop, steps in attempts.rows]
            true = {key.name: attempts.true_score(key, name) for key in keys}
            known = {key.name: scores[name][key] for key in keys}
            seen = diagnose(true, picks_by(scores, [name], keys)[name].name, known)
            won, room = won + seen.chosen - seen.random, room + seen.headroom
            if seen.rank_correlation is not None:
                correlations.append(seen.rank_correlation)
    if room <= _NOTHING:
        return f"{title}: nothing to choose from, as the clips of each pool have equal true scores."
    share = f"{100 * won / room:.0f} %" if won > _NOTHING else "nothing"
    rho = f"{np.mean(correlations):.2f}" if correlations else "undefined"
    return (
        f"{title}: wins {share} of what the oracle wins over a random pick; mean rank correlation "
        f"with the true score {rho}, over {len(correlations)} pools where both vary."
    )


@attrs.frozen
class _Maker:
    attempts: Attempts

    def plain(self) -> list[Row]:
        return [
            self._single(row, f"plain description{_at(row[1])}", "plain", None)
            for row in self._plain_rows()
        ]

    def given(self) -> list[Row]:
        rows = sorted({key.row for key in self.attempts.results if key.loop == GIVEN})
        return [self._single(row, f"given prompts{_at(row[1])}", "given", None) for row in rows]

    def loops(self) -> list[Row]:
        return [
            self._single(row, f"loop {row[0]}{_at(row[1])}", "loop", number)
            for number, row in enumerate(self.attempts.rows, start=1)
        ]

    def ensembles(
        self, subset: tuple[int, ...], selectors: Mapping[str, SelectorScores]
    ) -> list[Row]:
        count = len(self.attempts.rows)
        plain = self._plain_rows()
        if not subset or not set(subset) <= set(range(0 if plain else 1, count + 1)):
            raise InvalidInputError(f"Ensembles are made of rows 1 to {count}, not {list(subset)}.")
        name = "{" + ",".join(map(str, subset)) + "}"
        samples = self.attempts.samples

        def by(scores: SelectorScores) -> Callable[[list[RunKey]], Picks]:
            return lambda keys: picks_by(scores, samples, keys)

        rows = [self._random(subset, f"random pick of {name}")]
        for title, scores in selectors.items():
            if PLAIN in subset and not self._scores_plain(scores):
                continue
            label = f"{title} of {name}"
            rows.append(self._ensemble(subset, label, "reference-free", by(scores)))
        oracle = self._ensemble(
            subset, f"best of {name}", "oracle", lambda keys: oracle_picks(self.attempts, keys)
        )
        return [*rows, oracle]

    def _single(self, row: tuple[int, int], label: str, kind: Kind, number: int | None) -> Row:
        keys = [key for key in self.attempts.keys(row) if key.seed in self.attempts.seeds]
        picks: list[list[Picks]] = [[dict.fromkeys(self.attempts.samples, key)] for key in keys]
        return self._row(label, kind, number, row, picks)

    def _plain_rows(self) -> list[tuple[int, int]]:
        return sorted({key.row for key in self.attempts.results if key.loop == PLAIN})

    def _scores_plain(self, scores: SelectorScores) -> bool:
        keys = {key for key in self.attempts.results if key.loop == PLAIN}
        return all(keys <= scores.get(name, {}).keys() for name in self.attempts.samples)

    def _ensemble(
        self,
        subset: tuple[int, ...],
        label: str,
        kind: Kind,
        choose: Callable[[list[RunKey]], Picks],
    ) -> Row:
        picks = [[choose(self._pool(subset, seed))] for seed in self.attempts.seeds]
        return self._row(label, kind, None, None, picks)

    def _random(self, subset: tuple[int, ...], label: str) -> Row:
        # Scores are means over samples, so an even draw expects the mean of the rows' scores.
        picks: list[list[Picks]] = [
            [dict.fromkeys(self.attempts.samples, key) for key in self._pool(subset, seed)]
            for seed in self.attempts.seeds
        ]
        return self._row(label, "random", None, None, picks)

    def _pool(self, subset: tuple[int, ...], seed: int) -> list[RunKey]:
        rows = self._plain_rows() if PLAIN in subset else []
        rows += [self.attempts.rows[number - 1] for number in subset if number != PLAIN]
        return [RunKey(loop, steps, seed) for loop, steps in rows]

    def _row(
        self,
        label: str,
        kind: Kind,
        number: int | None,
        place: tuple[int, int] | None,
        picks: list[list[Picks]],
    ) -> Row:
        """``picks`` holds, for each seed, the ensembles whose scores are averaged."""
        known = set(self.attempts.categories.values())
        categories = {name: self._spread(picks, name) for name in CATEGORIES if name in known}
        return Row(label, kind, number, place, self._spread(picks, None), categories)

    def _spread(self, picks: list[list[Picks]], category: str | None) -> Spread:
        return Spread.of(
            [float(np.mean([self._score(one, category) for one in group])) for group in picks]
        )

    def _score(self, picks: Picks, category: str | None) -> float:
        return headline(self.attempts.combined(picks, category), self.attempts.edition)


def _at(steps: int) -> str:
    return f", {steps} steps" if steps else ""
