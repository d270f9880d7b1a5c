"""Every named rule of the library as an arm, the guard's control, and adaptive N."""

from __future__ import annotations

from benchmarks.world.arms.registry import Case, Cost, Picked, answer, arm
from benchmarks.world.arms.rules import rule
from phyrefine.select.adaptive import StopEarly
from phyrefine.select.agreement.consensus import Consensus
from phyrefine.select.combining.guard import MotionGuard
from phyrefine.types import Pool

RULES = (
    "consensus+judge", "consensus+judge@1", "consensus+judge@0", "consensus@1", "consensus@0",
    "judge@0.5", "judge@1", "consensus>judge", "questions", "kinematics", "kinematics_raw",
    "motion_quality", "consensus+judge+kinematics", "consensus+judge+questions",
    "consensus+judge+motion_quality",
)  # fmt: skip

for _name in RULES:
    arm(_name)(rule(_name))


@arm("random inside the guard")
def random_guarded(case: Case) -> Picked:
    """An even draw among the clips that the library's guard keeps."""
    pool = Pool.of(case.scenario, case.pool.attempts())
    left = MotionGuard().apply(pool)
    return Picked(tuple(pool.keys.index(key) for key in left.kept), Cost.of_clips(case.budget))


@arm("adaptive consensus")
def adaptive(case: Case) -> Picked:
    """Clips one by one until another is not expected to be better; the costs count what it took."""
    pool = Pool.of(case.scenario, case.pool.attempts())
    stop, keys = StopEarly(Consensus()), pool.keys
    used = next(
        (n for n in range(stop.least, len(keys)) if stop.decide(pool.only(keys[:n])).stop),
        len(keys),
    )
    within = pool.only(keys[:used])
    kept = within.only(MotionGuard().apply(within).kept)
    values = Consensus().score_pool(kept).values
    return answer(Cost.of_clips(used), [values.get(key, float("-inf")) for key in keys])
