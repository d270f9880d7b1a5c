"""Which scenes an experiment uses, what they are kept for, and what an arm may know of one."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from attrs import frozen

from phyrefine.types import Scenario
from phyrefine.world.truth.scenes import TEST_SEEDS

KINDS = ("drop", "collision", "projectile", "incline", "pendulum")

# Scene seeds by purpose. Training takes seeds below 1,000,000.
SPLITS: dict[str, range] = {
    "tuning": range(1_100_000, 1_200_000),
    "held-out": range(1_700_000, 1_800_000),
}
# Already used to report something; kept apart from both, so that nothing is tuned on them by accident.
SPENT: dict[str, range] = {
    "spent on the experiments of November 2026": range(1_200_000, 1_600_000),
}


def split_of(seed: int) -> str:
    """What a scene seed is kept for.

    Raises:
        SystemExit: A training seed, or no seed of a held-apart scene at all.
    """
    if seed not in TEST_SEEDS:
        raise SystemExit(
            f"Scene seed {seed} is not held apart from training. Use {TEST_SEEDS.start} to {TEST_SEEDS.stop - 1}."
        )
    for name, seeds in {**SPLITS, **SPENT}.items():
        if seed in seeds:
            return name
    return "unnamed"


@frozen
class SceneId:
    """A scene by its seed; the kinds take turns."""

    seed: int

    @property
    def kind(self) -> str:
        return KINDS[self.seed % len(KINDS)]

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.seed}"

    @property
    def scenario(self) -> Scenario:
        """What an arm is given: prefix and description, nothing of the truth."""
        return sample_of(self).scenario

    def rng(self, *more: int) -> np.random.Generator:
        """Random numbers that depend on the scene and ``more`` alone."""
        return np.random.default_rng([self.seed, *more])


def choose_scenes(first: int, count: int) -> list[SceneId]:
    """``count`` scenes from seed ``first`` on, all kept for the same purpose."""
    last = first + count - 1
    if split_of(first) != split_of(last):
        raise SystemExit(
            f"Scenes {first} to {last} lie in two splits ({split_of(first)}, {split_of(last)}). Ask for fewer."
        )
    return [SceneId(seed) for seed in range(first, last + 1)]


@functools.lru_cache(maxsize=2)
def sample_of(scene: SceneId) -> Any:
    """The scene with its truth (``phyrefine.cli.demo_scenes.Sample``)."""
    from phyrefine.cli.demo_scenes import make_sample

    return make_sample(scene.kind, scene.seed)
