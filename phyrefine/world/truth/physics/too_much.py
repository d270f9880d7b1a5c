"""Mistakes that add motion: too lively, never at rest, too fast, doubled, jumping."""

from __future__ import annotations

import math

import attrs
import numpy as np

from phyrefine.world.truth.physics.contacts import arrival, contact, move
from phyrefine.world.truth.physics.mechanics import FLOOR, GRAVITY
from phyrefine.world.truth.physics.trajectory import (
    SEAM_SECONDS,
    Body,
    FloatArray,
    Trajectory,
)

Rng = np.random.Generator

FASTEST = 2.4
_CEILING = 2.6
_EDGE = 1.75


def _bouncing(trajectory: Trajectory, start: int, speed: float, kept: float) -> Trajectory:
    """From sample ``start`` on the ball leaves the floor at ``speed`` and hops without end.

    Closed form: each hop lasts ``2 v / g``, and the next starts with ``kept`` times the speed.
    """
    if start >= len(trajectory.times) - 1:
        return trajectory
    body = trajectory.body("ball")
    rest = FLOOR + trajectory.scene.number("radius")
    speed = min(speed, math.sqrt(2.0 * GRAVITY * (_CEILING - rest)))
    centre = body.centre.copy()
    began = float(trajectory.times[start])
    for sample in range(start, len(centre)):
        while trajectory.times[sample] - began > 2.0 * speed / GRAVITY:
            began += 2.0 * speed / GRAVITY
            speed *= kept
        since = float(trajectory.times[sample]) - began
        centre[sample, 1] = rest + speed * since - 0.5 * GRAVITY * since**2
    return move(trajectory, "ball", centre)


def bounce_higher(trajectory: Trajectory, onset: float, rng: Rng) -> Trajectory:
    """The ball rebounds higher than it fell from, and hardly loses height afterwards."""
    start = contact(trajectory, onset)
    gain = float(rng.uniform(1.05, 1.35))
    return _bouncing(trajectory, start, gain * arrival(trajectory, start), 0.98)


def bounce_forever(trajectory: Trajectory, onset: float, _: Rng) -> Trajectory:
    """Every bounce is as high as the one before, for ever."""
    start = contact(trajectory, onset)
    return _bouncing(trajectory, start, 0.98 * arrival(trajectory, start), 1.0)


def _along_floor(start: float, speed: FloatArray, times: FloatArray) -> FloatArray:
    """Places ``[T]`` of a ball that turns back at the frame's edges; speed per sample."""
    gaps = np.diff(times, prepend=times[:1])
    travelled = start + np.cumsum(speed * gaps)
    width = 2.0 * _EDGE
    folded = np.mod(travelled + _EDGE, 2.0 * width)
    return np.asarray(np.where(folded > width, 2.0 * width - folded, folded) - _EDGE)


def hit_harder(trajectory: Trajectory, _: float, rng: Rng) -> Trajectory:
    """Both balls fly apart from their contact faster than the first one came."""
    start = contact(trajectory, SEAM_SECONDS)
    if start >= len(trajectory.times):
        return trajectory
    times, side = trajectory.times, trajectory.scene.number("side")
    speed = trajectory.scene.number("speed")
    for name, share in (("ball", -rng.uniform(0.6, 0.9)), ("other ball", rng.uniform(1.3, 1.8))):
        centre = trajectory.body(name).centre.copy()
        rolling = np.full(len(times) - start, side * share * speed)
        centre[start:, 0] = _along_floor(float(centre[start, 0]), rolling, times[start:])
        trajectory = move(trajectory, name, centre)
    return trajectory


def _replay(body: Body, samples: FloatArray) -> Body:
    """The body at fractional sample numbers ``[T]``."""
    grid = np.arange(len(body.centre))
    columns = [np.interp(samples, grid, body.centre[:, axis]) for axis in (0, 1)]
    return attrs.evolve(
        body,
        centre=np.stack(columns, axis=1),
        angle=np.interp(samples, grid, body.angle),
    )


def _with_clock(trajectory: Trajectory, seconds: FloatArray) -> Trajectory:
    """The moving bodies as they would be at other ``seconds`` ``[T]``."""
    samples = np.interp(seconds, trajectory.times, np.arange(len(trajectory.times)))
    for body in trajectory.bodies:
        if body.moving:
            trajectory = trajectory.with_body(_replay(body, samples))
    return trajectory


def speed_up(trajectory: Trajectory, onset: float, rng: Rng) -> Trajectory:
    """From ``onset`` on everything runs about twice as fast; never beyond the simulated end."""
    factor = float(rng.uniform(1.7, FASTEST))
    late = np.clip(trajectory.times - onset, 0.0, None)
    return _with_clock(trajectory, trajectory.times + (factor - 1.0) * late)


def roll_back(trajectory: Trajectory, onset: float, _: Rng) -> Trajectory:
    """The ball rolls back up the way it came and down again, over and over."""
    turn = max(onset, SEAM_SECONDS + 0.3)
    span = turn - trajectory.scene.number("release")
    phase = np.mod(np.clip(trajectory.times - turn, 0.0, None), 2.0 * span)
    back = turn - np.where(phase > span, 2.0 * span - phase, phase)
    return _with_clock(trajectory, np.where(trajectory.times > turn, back, trajectory.times))


def _at_angles(trajectory: Trajectory, angles: FloatArray) -> Trajectory:
    """The pendulum at other angles ``[T]``, radians from straight down; the same ones stay."""
    length = trajectory.scene.number("length")
    pivot = np.array((trajectory.scene.number("x"), 2.85))
    arm = np.stack([np.sin(angles), -np.cos(angles)], axis=1)
    string, ball = trajectory.body("string"), trajectory.body("ball")
    same = (np.abs(angles - string.angle) < 1e-9)[:, None]
    middle = np.where(same, string.centre, pivot + arm * length / 2)
    turned = attrs.evolve(string, centre=middle, angle=angles)
    end = np.where(same, ball.centre, pivot + arm * length)
    return move(trajectory.with_body(turned), "ball", end)


def swing_higher(trajectory: Trajectory, onset: float, rng: Rng) -> Trajectory:
    """Each swing is wider than the one before, up to 75 degrees."""
    rate = float(rng.uniform(0.3, 0.5))
    angles = trajectory.body("string").angle
    growth = 1.0 + rate * np.clip(trajectory.times - onset, 0.0, None)
    limit = math.radians(75.0) / max(float(np.abs(angles).max()), 1e-6)
    return _at_angles(trajectory, angles * np.minimum(growth, max(limit, 1.0)))


def double(trajectory: Trajectory, onset: float, rng: Rng) -> Trajectory:
    """A second ball like the first one appears beside it and moves as it does."""
    body = trajectory.body("ball")
    away = float(rng.uniform(0.6, 1.1))
    at = float(body.centre[int(np.searchsorted(trajectory.times, onset)), 0])
    shift = np.array((-away if at > 0.0 else away, 0.0))
    coming = np.clip((trajectory.times - onset) / 0.2, 0.0, 1.0)
    copy = attrs.evolve(
        body, name="second ball", centre=body.centre + shift, opacity=body.opacity * coming
    )
    return attrs.evolve(trajectory, bodies=(*trajectory.bodies, copy))


def jump(trajectory: Trajectory, onset: float, rng: Rng) -> Trajectory:
    """The ball is suddenly elsewhere and moves on from there; again about every second."""
    times = trajectory.times
    moments = np.clip(np.floor((times - onset) / rng.uniform(0.8, 1.4)) + 1.0, 0.0, None)
    odd = np.mod(moments, 2.0)
    if trajectory.scene.kind == "pendulum":
        return _at_angles(trajectory, trajectory.body("string").angle * (1.0 - 2.0 * odd))
    centre = trajectory.body("ball").centre.copy()
    at = float(centre[min(int(np.searchsorted(times, onset)), len(times) - 1), 0])
    away = float(rng.uniform(0.7, 1.2))
    centre[:, 0] += odd * (-away if at > 0.0 else away)
    if trajectory.scene.kind in ("drop", "projectile"):
        centre[:, 1] += odd * float(rng.uniform(0.2, 0.6))
    return move(trajectory, "ball", centre)
