"""A made-up pool: motion, judge's score and true score of each clip are given."""

import numpy as np

from benchmarks.world.arms import ARMS, Case
from benchmarks.world.arms.registry import PoolView, Row
from benchmarks.world.evaluating import without_truth, worth
from benchmarks.world.measuring import Seen
from benchmarks.world.prompts import Said
from benchmarks.world.rendering import Renderer
from benchmarks.world.scenes import SceneId
from benchmarks.world.truth import Truth
from phyrefine.types import Critique, Violation
from phyrefine.video.clip import Clip

SCENE = SceneId(1_100_000)
MOTION = (1.0, 4.0, 2.0, 3.0)
JUDGE = (5.0, 6.0, 9.0, 2.0)
FAULTS = (1, 0, 2, 3)
SCORES = (10.0, 40.0, 30.0, 80.0)


def row(number, bonus=0.0):
    clip = Clip(np.full((2, 8, 8, 3), number, np.uint8), 8.0)
    faults = tuple(Violation("gravity", "floats", severity=1.0) for _ in range(FAULTS[number]))
    seen = Seen(MOTION[number], Critique("moves", faults), JUDGE[number])
    score = SCORES[number] + bonus
    return Row(number, clip, seen, Truth(score, 0.5, 0.5, 0.5, 0.0, wrong=score < 20.0))


def pool():
    rows = {"all_cues": [row(n) for n in range(4)], "plain": [row(n, -8.0) for n in range(4)]}
    return PoolView("all_cues", {"all_cues": Said(("a b",)), "plain": Said(("a",))}, rows)


def case(view=None, budget=4):
    view = view or without_truth(pool())
    return Case(SCENE, view, budget, np.random.default_rng(0), Renderer("truthful"))


def values_of(name):
    """What an arm's answer on the made-up pool is worth."""
    arm = ARMS[name]
    seen = case(pool()) if arm.truth else case()
    return worth(SCENE, pool(), arm.act(seen))
