"""Several samples at a time, under one budget: for a cluster, whose devices must not wait."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from phyrefine.errors import BudgetExceededError, PhyrefineError
from phyrefine.physics_iq.data.inputs import Prompted
from phyrefine.physics_iq.generation.allowance import Allowance
from phyrefine.refiner import SelfRefiner
from phyrefine.run.cluster.ray_cluster import RayCluster
from phyrefine.types import Refinement, Scenario


def finish_at_once(
    refiner: SelfRefiner,
    samples: Sequence[Prompted],
    scenario_of: Callable[[Prompted], Scenario],
    finish: Callable[[Prompted, Refinement], object],
    *,
    on: RayCluster,
    allowance: Allowance | None,
) -> list[str]:
    """Refine samples on a cluster and finish each as soon as it is refined.

    Args:
        refiner: With a generator of the cluster.
        samples: What to refine.
        scenario_of: Reads a sample's inputs, in a worker's thread.
        finish: Keeps a refinement, in a worker's thread.
        on: Where clips are made.
        allowance: Budget of all samples together; it is checked before every call.

    Returns:
        One line for each sample that could not be finished.

    Raises:
        RunInterrupted: At Ctrl-C.
    """
    if allowance is not None:
        refiner.budget = allowance.left()

    def scenario(sample: Prompted) -> Scenario:
        if allowance is not None and (spent := allowance.spent):
            raise BudgetExceededError(f"not begun: the budget is spent ({spent})")
        return scenario_of(sample)

    outcomes = refiner.refine_each(
        [functools.partial(scenario, sample) for sample in samples],
        lambda number, refinement: finish(samples[number], refinement),
        on=on,
    )
    failures = []
    for sample, outcome in zip(samples, outcomes, strict=True):
        error: Any = outcome.error
        if error is not None and not isinstance(error, PhyrefineError):
            raise error
        if error is not None:
            failures.append(f"{sample.name}: {type(error).__name__}: {error}")
    return failures
