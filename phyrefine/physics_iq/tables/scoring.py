"""From folders of videos to stored attempts and Table 1. Never generates anything."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from phyrefine._atomic import write_bytes
from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.physics_iq.data.layout import PLAIN, SAMPLES, RunKey
from phyrefine.physics_iq.generation.generating import VIDEOS, read_records
from phyrefine.physics_iq.generation.plan import Plan, expected_keys, read_plan
from phyrefine.physics_iq.scoring.evaluate import Evaluator, Provenance
from phyrefine.physics_iq.scoring.results import ViewResult
from phyrefine.physics_iq.scoring.truth import GroundTruth
from phyrefine.physics_iq.tables.attempts import Attempts, require_table
from phyrefine.physics_iq.tables.plots import bars, curves
from phyrefine.physics_iq.tables.table_one import SelectorScores, TableOne, table_one

RESULTS = "results"
# The paper's ensembles (Table 1, rows 7 and 8).
PAPER_SUBSETS = ((1, 2, 5), (1, 2, 3, 4, 5, 6))


def score_bench(
    folder: Path,
    dataset: PhysicsIQ,
    *,
    cache: Path | None = None,
    subsets: Iterable[Sequence[int]] | None = None,
    allow_made_masks: bool = False,
    jobs: int | None = None,
    progress: bool = False,
) -> TableOne:
    """Score every clip of a finished benchmark folder and write its table.

    Writes ``results/<row>.csv`` (official result tables), ``table.txt``, ``table.csv``,
    ``table.json``, ``table.svg`` and ``loops.svg``.

    Args:
        folder: What :func:`phyrefine.physics_iq.generation.generating.generate` filled.
        dataset: The same data set.
        cache: Folder of the real side; by default inside ``folder``.
        subsets: Rows to put into ensembles; by default the paper's, as far as there are rows.
        allow_made_masks: As in :class:`~phyrefine.physics_iq.scoring.truth.GroundTruth`.
        jobs: Views at a time.
        progress: Show bars.

    Raises:
        InvalidInputError: Samples are not finished, clips do not fit, or a subset names a row that
            is not there.
    """
    plan = read_plan(folder, dataset)
    chosen = None if subsets is None else tuple(subsets)
    check_subsets(chosen or (), plan)
    truth = GroundTruth(dataset, plan.fps, allow_made_masks=allow_made_masks)
    stored = measure_bench(folder, truth, plan, cache=cache, jobs=jobs, progress=progress)
    attempts = stored.attempts
    for key in attempts.results:
        attempts.table(key).write(folder / RESULTS / f"{key.name}.csv")
    provenance = attrs.asdict(stored.provenance)
    write_bytes(folder / RESULTS / "provenance.json", json.dumps(provenance, indent=1).encode())
    count = len(attempts.rows)
    wanted = _fitting(PAPER_SUBSETS, count) if chosen is None else list(chosen)
    # The library's default keeps the plain description's clip in the pool; the paper does not.
    wanted += [] if plan.paper else [range(count + 1)]
    table = table_one(attempts, subsets=wanted, selectors=stored.selectors, notes=stored.notes)
    write_table(table, folder)
    return table


@attrs.frozen
class Stored:
    """A finished benchmark folder, measured.

    Attributes:
        attempts: Measurements of every clip.
        selectors: Scores of reference-free selectors, made while generating.
        provenance: What the measurements stand on.
        notes: What a reader of the table should know.
    """

    attempts: Attempts
    selectors: Mapping[str, SelectorScores]
    provenance: Provenance
    notes: tuple[str, ...] = ()


def measure_bench(
    folder: Path,
    truth: GroundTruth,
    plan: Plan,
    *,
    cache: Path | None = None,
    jobs: int | None = None,
    progress: bool = False,
) -> Stored:
    """Measure every clip of a benchmark folder; arguments and errors as :func:`score_bench`."""
    dataset = truth.dataset
    records = read_records(folder, dataset.samples)
    evaluator = Evaluator(truth, cache=cache or folder / "cache", jobs=jobs, progress=progress)
    results = {key: evaluator.measure(folder / VIDEOS / key.name) for key in expected_keys(plan)}
    selectors = complete_selectors(records, tuple(results))
    notes = []
    if not selectors:
        notes.append(
            f"No reference-free row: {plan.ensemble} scored no clip or only some (the critic "
            "watches one clip of each prompt). judge, tournament and consensus score all."
        )
    count = evaluator.provenance.samples
    if count < SAMPLES:
        notes.append(f"{count} of {SAMPLES} samples: not a number to quote.")
    if not evaluator.provenance.official:
        notes.append("NOT OFFICIAL: the real side was not handled as the official program does.")
    if repeated := sum(
        row["from"] != name for record in records.values() for name, row in record["rows"].items()
    ):
        notes.append(f"{repeated} clips stand for later loops too: the paper's rule had stopped.")
    return Stored(
        make_attempts(dataset, results),
        selectors,
        evaluator.provenance,
        tuple(notes),
    )


def check_subsets(subsets: Iterable[Sequence[int]], plan: Plan) -> None:
    """See that ensembles name rows that the plan's table has.

    Raises:
        InvalidInputError: One does not.
    """
    count = plan.loops * len(plan.steps)
    for subset in subsets:
        if not subset or not set(subset) <= set(range(count + 1)):
            raise InvalidInputError(
                f"The table has rows 1 to {count} (0 is the plain description): an ensemble of "
                f"{list(subset)} cannot be made."
            )


def make_attempts(
    dataset: PhysicsIQ, results: Mapping[RunKey, Mapping[str, ViewResult]]
) -> Attempts:
    """Stored attempts with the data set's edition and categories."""
    categories = {sample.name: sample.category for sample in dataset.samples if sample.category}
    return Attempts(dataset.edition, results, categories)


def complete_selectors(
    records: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]],
    keys: Sequence[RunKey],
) -> dict[str, SelectorScores]:
    """Scores of the selectors that scored every refined clip of every sample.

    Scores of plain clips are kept too.
    """
    places = {key.name: key for key in keys}
    wanted = {name for name, key in places.items() if key.loop > PLAIN}
    names = {name for record in records.values() for name in record["selectors"]}
    selectors: dict[str, SelectorScores] = {}
    for name in sorted(names):
        scores = {sample: record["selectors"].get(name, {}) for sample, record in records.items()}
        if all(wanted <= known.keys() for known in scores.values()):
            selectors[name] = {
                sample: {places[row]: value for row, value in known.items() if row in places}
                for sample, known in scores.items()
            }
    return selectors


def write_table(table: TableOne, folder: Path) -> None:
    """Write the table as text, CSV, JSON and two plots."""
    shown = table.shown()
    write_bytes(folder / "table.txt", f"{shown}\n".encode())
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([shown.columns, *shown.cells])
    write_bytes(folder / "table.csv", out.getvalue().encode())
    write_bytes(folder / "table.json", table.to_json().encode())
    write_bytes(folder / "table.svg", bars(table).encode())
    write_bytes(folder / "loops.svg", curves(table).encode())


def _fitting(subsets: Iterable[Sequence[int]], rows: int) -> list[Sequence[int]]:
    return [subset for subset in subsets if max(subset) <= rows]


def score_folders(
    evaluator: Evaluator, dataset: PhysicsIQ, folders: Mapping[str, Path]
) -> tuple[Attempts, tuple[str, ...]]:
    """Other people's folders as stored attempts.

    Args:
        evaluator: Of the data set.
        dataset: The data set.
        folders: By name, one generated clip per sample in each. A folder named like
            ``loop2-steps16-seed0`` keeps that place; others become loops 1, 2, ... in order.

    Returns:
        The attempts, and the name of each of their runs.

    Raises:
        InvalidInputError: Two folders stand for one run, no table can be made of the runs, or as
            :meth:`~phyrefine.physics_iq.scoring.evaluate.Evaluator.measure`.
    """
    names: dict[RunKey, str] = {}
    for number, (name, folder) in enumerate(folders.items(), start=1):
        key = _key_of(folder, number)
        if key in names:
            raise InvalidInputError(f"{name} and {names[key]} stand for the same run {key.name}.")
        names[key] = name
    require_table(names)
    results = {key: evaluator.measure(folders[name]) for key, name in names.items()}
    attempts = make_attempts(dataset, results)
    return attempts, tuple(names[key] for key in sorted(results))


def _key_of(folder: Path, number: int) -> RunKey:
    try:
        return RunKey.parse(folder.name)
    except InvalidInputError:
        return RunKey(number)
