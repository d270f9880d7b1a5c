"""What a sweep would take, combination by combination."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from phyrefine.cli.experiments.building import NONE, build
from phyrefine.run.estimating.estimate import Estimate, Workers
from phyrefine.run.estimating.flags import STAND_INS, DryRunFlags
from phyrefine.run.estimating.left import finished_in

if TYPE_CHECKING:
    from phyrefine.cli.experiments.plan import Experiment
    from phyrefine.table import Table

SEARCHING = ("search", "draft")


def tell_cost(plan: Experiment, what_if: DryRunFlags, workers: Workers | None = None) -> int:
    """Print a row per combination, and the sums; the plan of a cluster's workers, if there is one.

    Args:
        plan: The experiment.
        what_if: Rates.
        workers: Who makes the clips.
    """
    from phyrefine.cli.telling.tables import console

    estimates = estimates_of(plan, what_if, workers)
    screen = console()
    screen.print("Dry run: nothing is made and nothing is paid for.", markup=False)
    screen.print(str(_table(plan, estimates)), markup=False, highlight=False, soft_wrap=True)
    if workers is not None:
        hours = [one.hours for one in estimates if one.hours is not None]
        least = f" At least {sum(hours):.3g} hours." if len(hours) == len(estimates) else ""
        screen.print(f"Plan: {workers}.{least}", markup=False, highlight=False, soft_wrap=True)
    return 0


def estimates_of(
    plan: Experiment, what_if: DryRunFlags, workers: Workers | None = None
) -> list[Estimate]:
    """The estimate of each combination; no model is loaded.

    Raises:
        InvalidInputError: A setting is wrong.
        UnknownBackendError: A name stands for nothing.
    """
    found = []
    for settings in plan.combinations:
        folder = plan.folder_of(settings)
        refiner = build(settings, folder, models=STAND_INS)
        backends = settings["vlm"], settings["llm"], settings["generator"]
        done = finished_in(folder, plan.scenarios, refiner.convergence)
        found.append(
            what_if.estimate(
                refiner.cost(),
                what_if.rates(folder, backends),
                scenarios=len(plan.scenarios),
                finished=len(done),
                workers=workers,
            )
        )
    return found


def _table(plan: Experiment, estimates: Sequence[Estimate]) -> Table:
    from phyrefine.table import Table

    rows: list[tuple[Any, ...]] = [
        (plan.name_of(settings), one.scenarios, one.finished, *_amounts(one))
        for settings, one in zip(plan.combinations, estimates, strict=True)
    ]
    sums = [_sum([row[at] for row in rows]) for at in range(1, 8)]
    columns = (
        "combination", "scenarios", "finished", "clips", "VLM questions", "LLM questions",
        "GPU hours", "dollars",
    )  # fmt: skip
    notes = [
        "Clips and questions are the most that unfinished scenarios take; loops may end earlier.",
        "– is unknown: pass --seconds-per-clip, --usd-per-clip, --usd-per-question, or --measured.",
    ]
    if any(one.get(name, NONE) != NONE for one in plan.combinations for name in SEARCHING):
        notes.append("Not counted: chunks and questions of searches; finals beside drafts.")
    return Table(columns, [*rows, ("in all", *sums)], notes=notes)


def _amounts(one: Estimate) -> tuple[float | None, ...]:
    cost = one.cost
    calls = (None,) * 3 if cost is None else (cost.clips, cost.vlm_questions, cost.llm_questions)
    return (*calls, one.gpu_hours, one.usd)


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
