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
from phyrefine.physics_iq.data.layout import RunKey
from phyrefine.physics_iq.generation.plan import Plan
from phyrefine.physics_iq.scoring.evaluate import Evaluator
from phyrefine.physics_iq.scoring.truth import GroundTruth
from phyrefine.physics_iq.tables.attempts import Attempts, require_table
from phyrefine.physics_iq.tables.measuring import Part, Stored, make_attempts, measure
from phyrefine.physics_iq.tables.plots import bars, curves
from phyrefine.physics_iq.tables.table_one import TableOne, table_one

RESULTS = "results"
# The paper's ensembles (Table 1, rows 7 and 8).
PAPER_SUBSETS = ((1, 2, 5), (1, 2, 3, 4, 5, 6))


def score_bench(
    folder: Path,
    dataset: PhysicsIQ,
    *,
    cache: Path | None = None,
    subsets: Sequence[Sequence[int]] | None = None,
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
    part = Part.read(folder, dataset)
    check_subsets(subsets or (), part.plan)
    truth = GroundTruth(dataset, part.plan.fps, allow_made_masks=allow_made_masks)
    stored = measure([part], truth, cache=cache, jobs=jobs, progress=progress)
    return tabulate(stored, part.plan, folder, subsets=subsets)


def tabulate(
    stored: Stored, plan: Plan, folder: Path, *, subsets: Sequence[Sequence[int]] | None = None
) -> TableOne:
    """Write result tables and the table of a benchmark that is measured.

    Args:
        stored: The benchmark.
        plan: Its plan.
        folder: Where to.
        subsets: As in :func:`score_bench`.

    Raises:
        InvalidInputError: A subset names a row that is not there.
    """
    attempts = stored.attempts
    for key in attempts.results:
        attempts.table(key).write(folder / RESULTS / f"{key.name}.csv")
    provenance = attrs.asdict(stored.provenance)
    write_bytes(folder / RESULTS / "provenance.json", json.dumps(provenance, indent=1).encode())
    count = len(attempts.rows)
    wanted = _fitting(PAPER_SUBSETS, count) if subsets is None else list(subsets)
    # The library's default keeps the plain description's clip in the pool; the paper does not.
    wanted += [] if plan.paper else [range(count + 1)]
    table = table_one(attempts, subsets=wanted, selectors=stored.selectors, notes=stored.notes)
    write_table(table, folder)
    return table


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
    results = evaluator.measure_runs({key: folders[name] for key, name in names.items()})
    attempts = make_attempts(dataset, results)
    return attempts, tuple(names[key] for key in sorted(results))


def _key_of(folder: Path, number: int) -> RunKey:
    try:
        return RunKey.parse(folder.name)
    except InvalidInputError:
        return RunKey(number)
