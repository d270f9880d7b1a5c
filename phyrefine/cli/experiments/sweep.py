"""``phyrefine sweep``: every combination of an experiment file, into one table."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phyrefine.run.cluster.flags import HERE, RayFlags
from phyrefine.run.estimating.flags import NOT_DRY, DryRunFlags
from phyrefine.tracking.flags import Track, tracked

if TYPE_CHECKING:
    from rich.console import Console

    from phyrefine.cli.experiments.plan import Experiment
    from phyrefine.protocols import Listener
    from phyrefine.run.cluster.ray_cluster import RayCluster
    from phyrefine.types import Refinement

log = logging.getLogger(__name__)
NOTE = "sweep.json"
COLUMNS = (
    "scenario",
    "stopped_by",
    "attempts",
    "violations",
    "severity",
    "score",
    "seconds",
    "usd",
)


def sweep(
    experiment: Path,
    *,
    track: Track = None,
    what_if: DryRunFlags = NOT_DRY,
    where: RayFlags = HERE,
) -> int:
    """Run every combination of critics, rewriters, generators, prompts and rules in a TOML file.

    Each combination has a run folder of its own, so that the same command again finishes the work.
    Results stand in one table, OUT/table.csv, a row per combination and scenario.

    Parameters
    ----------
    experiment
        The file; see the page "Your own knowledge, prompts and sweeps" of the documentation.
    """
    from phyrefine.cli import FAILED, INTERRUPTED
    from phyrefine.cli.experiments.costs import tell_cost
    from phyrefine.cli.experiments.plan import read_experiment
    from phyrefine.cli.telling.tables import console
    from phyrefine.run.store.lock import RunLock

    plan = read_experiment(experiment)
    if what_if.dry_run:
        return tell_cost(plan, what_if, where.workers())
    screen = console()
    note(plan)
    with (
        RunLock(plan.out / "sweep.lock"),
        where.cluster() as cluster,
        tracked(track) as listeners,
    ):
        rows, failed, interrupted = _run_each(plan, screen, cluster, listeners)
    _write(plan, rows)
    screen.print(str(_means(plan, rows)), markup=False, highlight=False)
    screen.print(f"Wrote {plan.out / 'table.csv'}.", markup=False)
    return INTERRUPTED if interrupted else FAILED if failed else 0


def note(plan: Experiment) -> None:
    """Write down what is asked for, so that one can see from outside how much is left."""
    from phyrefine.run.store.disk import write_json

    names = [plan.name_of(settings) for settings in plan.combinations]
    asked = {"combinations": names, "scenarios": len(names) * len(plan.scenarios)}
    write_json(plan.out / NOTE, asked)


def _run_each(
    plan: Experiment,
    screen: Console,
    cluster: RayCluster | None,
    listeners: Sequence[Listener],
) -> tuple[list[tuple[Any, ...]], bool, bool]:
    """Rows of every combination, whether one failed, and whether the user interrupted it."""
    rows: list[tuple[Any, ...]] = []
    failed = False
    for number, settings in enumerate(plan.combinations, 1):
        name = plan.name_of(settings)
        screen.print(f"{number} of {len(plan.combinations)}: {name}", markup=False)
        told, error = run_combination(plan, settings, cluster, listeners)
        if error is not None:
            screen.print(f"  failed: {error}", markup=False)
            failed = True
        rows += [(*_varied(plan, settings), *row) for row in told]
        if any(row[1] == "interrupted" for row in told):
            screen.print("Interrupted. Run the same command again to go on.")
            return rows, failed, True
    return rows, failed, False


def run_combination(
    plan: Experiment,
    settings: Mapping[str, Any],
    cluster: RayCluster | None = None,
    listeners: Sequence[Listener] = (),
) -> tuple[list[tuple[Any, ...]], str | None]:
    """Rows of one combination, and why it could not be made, if so."""
    from phyrefine.cli.experiments.building import build
    from phyrefine.errors import PhyrefineError

    try:
        models, workers = None, plan.workers
        if cluster is not None:
            models = (settings["vlm"], settings["llm"], cluster.generator(settings["generator"]))
            workers = max(workers, cluster.scenarios)
        folder = plan.folder_of(settings)
        with build(settings, folder, models=models, listeners=listeners) as refiner:
            refined = refiner.refine_many(plan.scenarios, workers=workers, on=cluster)
    except PhyrefineError as error:  # a wrong name or a missing package; the others go on
        log.info("%s: %s", plan.name_of(settings), error)
        return [], f"{type(error).__name__}: {error}"
    broken = [one for one in refined if not one.attempts and one.stopped_by != "interrupted"]
    why = f"{len(broken)} scenarios: {broken[0].reason}" if broken else None
    return [_row(one) for one in refined], why


def _row(refinement: Refinement) -> tuple[Any, ...]:
    from phyrefine.run.comparing.compare import METRICS

    values = {name: read(refinement) for name, read in METRICS.items()}
    return (
        refinement.scenario.name,
        refinement.stopped_by,
        *(values[name] for name in COLUMNS[2:]),
    )


def _varied(plan: Experiment, settings: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(settings[name]) for name in plan.varied)


def _write(plan: Experiment, rows: list[tuple[Any, ...]]) -> None:
    from phyrefine._atomic import write_bytes

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*plan.varied, *COLUMNS))
    writer.writerows(rows)
    plan.out.mkdir(parents=True, exist_ok=True)
    write_bytes(plan.out / "table.csv", text.getvalue().encode())


def _means(plan: Experiment, rows: list[tuple[Any, ...]]) -> Any:
    """One line per combination: means over its scenarios, unknown values left out."""
    from phyrefine.table import Table

    width = len(plan.varied)
    groups: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for row in rows:
        groups.setdefault(row[:width], []).append(row[width:])
    lines = []
    for key, group in groups.items():
        means = []
        for column in range(2, len(COLUMNS)):
            known = [row[column] for row in group if row[column] is not None]
            means.append(sum(known) / len(known) if known else None)
        lines.append((*key, len(group), *means))
    columns = (*plan.varied, "scenarios", *COLUMNS[2:])
    return Table(columns, lines, caption="Means over scenarios")
