"""Mistakes that take motion away: floating, sticking, vanishing, passing through, halting."""

from __future__ import annotations

import attrs
import numpy as np

from phyrefine.world.truth.physics.contacts import (
    collision_sample,
    contact,
    first_from,
    freeze,
    in_air,
    move,
)
from phyrefine.world.truth.physics.mechanics import FLOOR
from phyrefine.world.truth.physics.trajectory import SEAM_SECONDS, Trajectory

Rng = np.random.Generator


def float_in_air(trajectory: Trajectory, onset: float, _: Rng) -> Trajectory:
    """The ball stops and hangs in the air."""
    flying = in_air(trajectory)
    start = first_from(trajectory, flying, onset)
    if start == len(flying):
        start = first_from(trajectory, flying, SEAM_SECONDS)
    return freeze(trajectory, "ball", start)


def stick(trajectory: Trajectory, onset: float, _: Rng) -> Trajectory:
    """The ball stays where it touches the floor or the other ball."""
    start = contact(trajectory, onset)
    if trajectory.scene.kind == "collision":
        return freeze(freeze(trajectory, "ball", start), "other ball", start)
    centre = trajectory.body("ball").centre.copy()
    centre[start:, 0] = centre[min(start, len(centre) - 1), 0]
    centre[start:, 1] = FLOOR + trajectory.scene.number("radius")
    return move(trajectory, "ball", centre)


def vanish(trajectory: Trajectory, onset: float, _: Rng) -> Trajectory:
    """The ball fades away within a third of a second."""
    body = trajectory.body("ball")
    fading = np.clip(1.0 - (trajectory.times - onset) / 0.3, 0.0, 1.0)
    return trajectory.with_body(attrs.evolve(body, opacity=body.opacity * fading))


def pass_through(trajectory: Trajectory, onset: float, rng: Rng) -> Trajectory:
    """The rolling ball goes on through the resting one, which never moves.

    If they met before the seam it is too late for that: then both stick.
    """
    if trajectory.times[collision_sample(trajectory) - 3] < SEAM_SECONDS:
        return stick(trajectory, onset, rng)
    first, second = trajectory.body("ball"), trajectory.body("other ball")
    before = max(collision_sample(trajectory) - 2, 1)
    since = np.clip(trajectory.times - trajectory.times[before], 0.0, None)[:, None]
    gap = trajectory.times[before] - trajectory.times[before - 1]
    speed = (first.centre[before] - first.centre[before - 1]) / gap
    rate = 0.45
    onward = first.centre[before] + speed * (1.0 - np.exp(-rate * since)) / rate
    through = move(trajectory, "ball", np.where(since > 0.0, onward, first.centre))
    return move(through, "other ball", np.repeat(second.centre[:1], len(onward), axis=0))


def halt(trajectory: Trajectory, onset: float, _: Rng) -> Trajectory:
    """Everything that moves stops at once, as in a still picture."""
    start = first_from(trajectory, trajectory.times > 0.0, onset)
    for body in trajectory.bodies:
        if body.moving:
            trajectory = freeze(trajectory, body.name, start)
    return trajectory
