"""When the bodies of a trajectory touch, and how one is moved without its past."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from phyrefine.world.truth.physics.mechanics import FLOOR
from phyrefine.world.truth.physics.trajectory import SEAM_SECONDS, FloatArray, Trajectory

# A ball that arrives more slowly (world units per second) hops too little to be seen.
_HARD = 0.9


def first_from(trajectory: Trajectory, condition: NDArray[np.bool_], second: float) -> int:
    """First sample from ``second`` on at which the condition holds; ``len`` if there is none."""
    late = condition & (trajectory.times >= second)
    return int(np.argmax(late)) if late.any() else len(condition)


def bounces(trajectory: Trajectory) -> NDArray[np.intp]:
    """Samples after the seam at which the ball is pushed up from below.

    The trajectory must be sampled finely (40 or more samples a second) to catch them all.
    """
    height = trajectory.body("ball").centre[:, 1]
    # Free fall bends the path down; only a push from below bends it up this much.
    bend = np.diff(height, n=2, prepend=height[:1], append=height[-1:])
    return np.flatnonzero((bend > 0.01) & (trajectory.times > SEAM_SECONDS))


def collision_sample(trajectory: Trajectory) -> int:
    """First sample at which the resting ball of a collision has moved; ``len`` if it never has."""
    struck = trajectory.body("other ball").centre[:, 0]
    return first_from(trajectory, np.abs(struck - struck[0]) > 0.003, 0.0)


def arrival(trajectory: Trajectory, sample: int) -> float:
    """Speed in world units per second with which the ball comes down at a sample."""
    height = trajectory.body("ball").centre[:, 1]
    before = np.gradient(height, trajectory.times)[max(sample - 4, 0) : max(sample, 1)]
    return float(max(-before.min(), 0.0))


def contact(trajectory: Trajectory, second: float) -> int:
    """The sample of the contact that a mistake asked for at ``second`` waits for.

    The first contact worth the name from there on, or after the seam if ``second`` lies in the
    first second after it; if there is none, the last before; if there is none either, ``len``.
    A collision has one contact only: if it lies before the seam, the answer is the seam.
    """
    if trajectory.scene.kind == "collision":
        seam = int(np.searchsorted(trajectory.times, SEAM_SECONDS))
        return max(collision_sample(trajectory), seam)
    found = bounces(trajectory)
    hard = np.array([arrival(trajectory, int(sample)) > _HARD for sample in found], dtype=bool)
    found = found[hard] if hard.any() else found[:1]
    asked = SEAM_SECONDS if second < SEAM_SECONDS + 1.0 else second
    later = found[trajectory.times[found] >= asked]
    if len(later):
        return int(later[0])
    return int(found[-1]) if len(found) else len(trajectory.times)


def in_air(trajectory: Trajectory) -> NDArray[np.bool_]:
    """Samples at which the ball is well clear of the floor."""
    rest = FLOOR + trajectory.scene.number("radius")
    return np.asarray(trajectory.body("ball").centre[:, 1] > rest + 0.15)


def freeze(trajectory: Trajectory, name: str, start: int) -> Trajectory:
    """The body keeps the place and angle of sample ``start`` from there on."""
    body = trajectory.body(name)
    stop = np.minimum(np.arange(len(body.centre)), start)
    return trajectory.with_body(
        attrs.evolve(body, centre=body.centre[stop], angle=body.angle[stop])
    )


def move(trajectory: Trajectory, name: str, centre: FloatArray) -> Trajectory:
    """The body follows another path ``[T, 2]``."""
    return trajectory.with_body(attrs.evolve(trajectory.body(name), centre=centre))
