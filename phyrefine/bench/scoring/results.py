"""The table of a benchmark: one row for each run, each difference paired with plain by prompt."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import asdict, field, frozen

from phyrefine._atomic import write_bytes
from phyrefine.bench.benchmark import Item
from phyrefine.bench.judges.row import JudgeRow
from phyrefine.bench.judges.row_judge import Ratings
from phyrefine.bench.scoring.intervals import Estimate, estimate
from phyrefine.bench.scoring.judging import CHOSEN, GIVEN_CLIPS
from phyrefine.physics_iq.data.layout import RunKey
from phyrefine.table import Table

Values = Mapping[str, float]


@frozen
class RunResult:
    """What a judge thinks of one run, or of several seeds of it.

    Attributes:
        run: Loop and steps, or ``download``.
        scores: Mean of each score over prompts.
        joint: Share of prompts that pass all marks of the judge; ``None`` if it has no such share.
        against_plain: Paired difference of the joint share (of the physics score without one).
        clips: Clips judged.
        unrated: Clips without a usable physics score, whatever the reason.
        not_assessable: Clips that the judge could not assess.
    """

    run: str
    scores: Mapping[str, Estimate]
    joint: Estimate | None
    against_plain: Estimate | None
    clips: int
    unrated: int
    not_assessable: int


@frozen
class BenchResult:
    """Scores of a benchmark.

    Attributes:
        title: The benchmark's.
        evaluator: Who scored: judge, model and wording.
        row: The judge's row.
        runs: In the order of the table.
        categories: Joint share (or physics score) of each run by category.
        laws: Score of each law by run, for judges of laws.
        notes: What a reader must know before comparing.
        clips: Every clip's ratings, for ``clips.csv``.
    """

    title: str
    evaluator: str
    row: JudgeRow
    runs: tuple[RunResult, ...]
    categories: Mapping[str, Mapping[str, Estimate]] = field(factory=dict)
    laws: Mapping[str, Mapping[str, Estimate]] = field(factory=dict)
    notes: tuple[str, ...] = ()
    clips: tuple[tuple[Any, ...], ...] = ()

    @property
    def tables(self) -> tuple[Table, ...]:
        """The main table and, with two categories or more, one by category."""
        names = list(dict.fromkeys(name for run in self.runs for name in run.scores))
        what = "joint" if self.row.joint else "physics"
        columns = ("run", "prompts", *names, "joint", f"{what} against plain", "unrated")
        rows = [
            (
                run.run,
                max((one.count for one in run.scores.values()), default=0),
                *(_shown(run.scores.get(name)) for name in names),
                _shown(run.joint, ".1%"),
                _difference(run.against_plain, self.row),
                f"{run.unrated} of {run.clips}",
            )
            for run in self.runs
        ]
        caption = f"{self.title}. Evaluator: {self.evaluator}"
        tables = [Table(columns, rows, caption=caption, notes=self.notes)]
        if len(self.categories) > 1:
            tables.append(self._by("category", what, self.categories, self._form))
        if self.laws:
            tables.append(self._by("law", "score", self.laws, ".2f"))
        return tuple(tables)

    def _by(
        self, title: str, what: str, groups: Mapping[str, Mapping[str, Estimate]], form: str
    ) -> Table:
        runs = [run.run for run in self.runs]
        rows = [
            (group, *(_shown(found.get(run), form) for run in runs))
            for group, found in groups.items()
        ]
        caption = f"{what} by {title}. Evaluator: {self.evaluator}"
        return Table((title, *runs), rows, caption=caption)

    @property
    def _form(self) -> str:
        return ".1%" if self.row.joint else ".2f"

    def shown(self) -> str:
        """All tables as text."""
        return "\n\n".join(str(table) for table in self.tables)

    def write(self, folder: Path) -> list[Path]:
        """Write ``table.txt``, ``table.json`` and ``clips.csv`` into a folder."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(CLIP_COLUMNS)
        writer.writerows(self.clips)
        told = {
            "benchmark": self.title,
            "evaluator": self.evaluator,
            "judge": self.row.name,
            "marks": dict(self.row.marks),
            "joint": list(self.row.joint),
            "runs": [asdict(run) for run in self.runs],
            "categories": _plain(self.categories),
            "laws": _plain(self.laws),
            "notes": list(self.notes),
        }
        written = {
            "table.txt": self.shown() + "\n",
            "table.json": json.dumps(told, indent=1, ensure_ascii=False),
            "clips.csv": text.getvalue(),
        }
        for name, content in written.items():
            write_bytes(folder / name, content.encode())
        return [folder / name for name in written]


def _plain(groups: Mapping[str, Mapping[str, Estimate]]) -> dict[str, Any]:
    return {
        name: {run: asdict(one) for run, one in found.items()} for name, found in groups.items()
    }


CLIP_COLUMNS = (
    "run",
    "clip",
    "category",
    "prompt",
    "scores",
    "laws",
    "joint",
    "assessable",
    "problems",
)


def results(
    title: str,
    evaluator: str,
    row: JudgeRow,
    items: Sequence[Item],
    ratings: Mapping[tuple[str, str], Ratings],
    notes: Sequence[str],
) -> BenchResult:
    """The result of ratings by (row of the folder, clip's name)."""
    groups: dict[str, list[str]] = {}
    for folder_row in dict.fromkeys(key[0] for key in ratings):
        groups.setdefault(_run_of(folder_row), []).append(folder_row)
    means = {run: _headline(row, items, rows, ratings) for run, rows in groups.items()}
    # Steps differ between runs, so each is compared with the plain run of as many; what was
    # chosen among all of them with the first.
    plain: dict[str, str] = {}
    for run in means:
        if run.startswith("plain"):
            plain.setdefault("", run)
            plain.setdefault(_steps_of(run), run)
    runs = tuple(
        _result(row, run, rows, items, ratings, means, plain.get(_steps_of(run)))
        for run, rows in groups.items()
    )
    categories: dict[str, dict[str, Estimate]] = {}
    for item in items:
        categories.setdefault(item.category or "(none)", {})
    for category, found in categories.items():
        names = {item.name for item in items if (item.category or "(none)") == category}
        for run, values in means.items():
            made = estimate([value for name, value in values.items() if name in names])
            if made is not None:
                found[run] = made
    clips = tuple(
        (key[0], item.name, item.category, item.description, json.dumps(dict(one.scores)),
         json.dumps(dict(one.laws)), joint(row, one), one.assessable, "; ".join(one.problems))
        for item in items for key, one in ratings.items()
        if key[1] == item.name and not key[0].startswith(CHOSEN)
    )  # fmt: skip
    laws = _laws(items, groups, ratings)
    return BenchResult(title, evaluator, row, runs, categories, laws, tuple(notes), clips)


def _laws(
    items: Sequence[Item],
    groups: Mapping[str, Sequence[str]],
    ratings: Mapping[tuple[str, str], Ratings],
) -> dict[str, dict[str, Estimate]]:
    """Mean of each law over the prompts it was asked of, by run."""
    found: dict[str, dict[str, Estimate]] = {}
    for law in dict.fromkeys(law for one in ratings.values() for law in one.laws):
        for run, rows in groups.items():
            by_prompt = []
            for item in items:
                told = [ratings.get((row, item.name)) for row in rows]
                values = [one.laws[law] for one in told if one is not None and law in one.laws]
                if values:
                    by_prompt.append(statistics.fmean(values))
            made = estimate(by_prompt)
            if made is not None:
                found.setdefault(law, {})[run] = made
    return found


def joint(row: JudgeRow, ratings: Ratings) -> bool | None:
    """Whether a clip passes all marks; ``None`` if a score of them is unknown.

    What cannot be assessed does not pass: a clip without the event shows nothing right.
    """
    if not row.joint:
        return None
    if ratings.assessable is False:
        return False
    if any(name not in ratings.scores for name in row.joint):
        return None
    return all(ratings.scores[name] >= row.marks[name] for name in row.joint)


def _run_of(folder_row: str) -> str:
    """The run without its seed."""
    if folder_row == GIVEN_CLIPS or folder_row.startswith(CHOSEN):
        return folder_row
    key = RunKey.parse(folder_row)
    return RunKey(key.loop, key.steps, 0).name.removesuffix("-seed0")


def _steps_of(run: str) -> str:
    """What a run shares with the plain run it is compared with."""
    if run == GIVEN_CLIPS:
        return "nothing"
    if run.startswith(CHOSEN):
        return ""
    return f"steps {RunKey.parse(f'{run}-seed0').steps}"


def _values(
    items: Sequence[Item],
    rows: Sequence[str],
    ratings: Mapping[tuple[str, str], Ratings],
    name: str,
) -> dict[str, float]:
    """Mean over seeds of a score, by prompt; prompts without it are left out."""
    found = {}
    for item in items:
        told = [
            one.scores[name]
            for row in rows
            if (one := ratings.get((row, item.name))) is not None and name in one.scores
        ]
        if told:
            found[item.name] = statistics.fmean(told)
    return found


def _headline(
    row: JudgeRow,
    items: Sequence[Item],
    rows: Sequence[str],
    ratings: Mapping[tuple[str, str], Ratings],
) -> dict[str, float]:
    """What runs are compared by: the joint share, else the physics score."""
    if not row.joint:
        return _values(items, rows, ratings, "pc")
    found = {}
    for item in items:
        told = [
            float(passed)
            for name in rows
            if (one := ratings.get((name, item.name))) is not None
            and (passed := joint(row, one)) is not None
        ]
        if told:
            found[item.name] = statistics.fmean(told)
    return found


def _result(
    row: JudgeRow,
    run: str,
    rows: Sequence[str],
    items: Sequence[Item],
    ratings: Mapping[tuple[str, str], Ratings],
    means: Mapping[str, Values],
    plain: str | None,
) -> RunResult:
    names = [name for question in row.questions for name in question.gives]
    scores = {}
    for name in dict.fromkeys(names):
        made = estimate(list(_values(items, rows, ratings, name).values()))
        if made is not None:
            scores[name] = made
    own = [ratings[key] for key in ratings if key[0] in rows]
    against = None
    if plain is not None and plain != run:
        common = [name for name in means[run] if name in means[plain]]
        against = estimate([means[run][name] - means[plain][name] for name in common])
    return RunResult(
        run,
        scores,
        estimate(list(means[run].values())) if row.joint else None,
        against,
        len(own),
        sum("pc" not in one.scores for one in own),
        sum(one.assessable is False for one in own),
    )


def _shown(one: Estimate | None, form: str = ".2f") -> str:
    return "–" if one is None else one.shown(form)


def _difference(one: Estimate | None, row: JudgeRow) -> str:
    return "–" if one is None else one.shown(".1%" if row.joint else ".2f", sign=True)
