"""The controls printed beside every choice: a rule is useful only where it beats them."""

from __future__ import annotations

import random
from collections.abc import Sequence

from attrs import evolve

from phyrefine.select.combining.guard import MotionGuard
from phyrefine.types import Attempt, Choice, Pool, Scenario

RANDOM = "random"
RANDOM_GUARDED = "random inside the guard"
MOST_MOTION = "most motion"
LEAST_MOTION = "least motion"


def controls(pool: Pool, guard: MotionGuard | None = None) -> dict[str, str]:
    """Key of the clip that each control takes; the same for the same clips."""
    left = (guard or MotionGuard()).apply(pool)
    draw = random.Random(f"{pool.scenario.description} {len(pool.entries)}")  # noqa: S311
    return {
        RANDOM: draw.choice(pool.keys),
        RANDOM_GUARDED: draw.choice(left.kept),
        MOST_MOTION: max(pool.keys, key=lambda key: left.amounts[key]),
        LEAST_MOTION: min(pool.keys, key=lambda key: left.amounts[key]),
    }


def with_controls(choice: Choice, scenario: Scenario, attempts: Sequence[Attempt]) -> Choice:
    """The choice with its controls beside it; of a single clip there are none."""
    pool = Pool.of(scenario, attempts)
    return choice if len(pool.entries) < 2 else evolve(choice, controls=controls(pool))
