"""The door of the truth side: draw a scene, simulate it, render it, describe it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from phyrefine.errors import InvalidInputError
from phyrefine.world.truth.captions.captions import all_cues, describe
from phyrefine.world.truth.physics import fields, mechanics
from phyrefine.world.truth.physics.rendering import CAMERAS, Camera, masks, render
from phyrefine.world.truth.physics.scene import (
    KINDS,
    TEST_SEEDS,
    TRAINING_SEEDS,
    Scene,
    sample_scene,
    split_of,
)
from phyrefine.world.truth.physics.trajectory import (
    CLIP_SECONDS,
    SEAM_SECONDS,
    Body,
    FloatArray,
    Trajectory,
)

__all__ = [
    "CAMERAS",
    "CLIP_SECONDS",
    "KINDS",
    "SEAM_SECONDS",
    "TEST_SEEDS",
    "TRAINING_SEEDS",
    "Body",
    "Camera",
    "Scene",
    "Trajectory",
    "all_cues",
    "describe",
    "masks",
    "render",
    "sample_scene",
    "simulate",
    "split_of",
]

_SIMULATIONS: dict[str, Callable[[Scene, FloatArray, int], list[Body]]] = {
    "drop": mechanics.drop,
    "projectile": mechanics.projectile,
    "collision": mechanics.collision,
    "incline": mechanics.incline,
    "pendulum": mechanics.pendulum,
    "stack": mechanics.stack,
    "magnet": mechanics.magnet,
    "stain": fields.stain,
    "shadow": fields.shadow,
    "cooling": fields.cooling,
}


def simulate(
    scene: Scene, take: int = 1, seconds: float = CLIP_SECONDS, fps: float = 24.0
) -> Trajectory:
    """Simulate a scene and sample it at ``fps``.

    Args:
        scene: What to simulate.
        take: 1, or 2 for the same scene with small physical randomness.
        seconds: Length from the start of the prefix; the seam is at 3 s.
        fps: Samples per second; the physics does not depend on it.

    Returns:
        ``round(seconds * fps)`` samples, the first at time 0.

    Raises:
        InvalidInputError: There would be no sample.
    """
    count = round(seconds * fps)
    if count < 1:
        raise InvalidInputError(f"{seconds} s at {fps} fps is no frame. Ask for more.")
    times = np.arange(count) / fps
    bodies = _SIMULATIONS[scene.kind](scene, times, take)
    return Trajectory(scene=scene, take=take, times=times, bodies=tuple(bodies))
