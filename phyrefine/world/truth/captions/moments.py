"""What is true in each second of a clip: the topics of a prompt per chunk.

A chunk's prompt names the standing scene and what happens in that very second: a ball that falls
in the first second, strikes the floor in the second and lies still in the fifth has another
prompt each time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phyrefine.world.truth.captions.captions import all_cues, describe, topics_of
from phyrefine.world.truth.physics.contacts import bounces, collision_sample, in_air
from phyrefine.world.truth.physics.mechanics import FLOOR
from phyrefine.world.truth.physics.scene import Scene
from phyrefine.world.truth.physics.trajectory import CLIP_SECONDS, SEAM_SECONDS, Trajectory

CHUNK_SECONDS = 1.0
CHUNKS = round((CLIP_SECONDS - SEAM_SECONDS) / CHUNK_SECONDS)
_STANDING = frozenset({"solid", "steady"})
# Slower than this (world units per second) is at rest.
_STILL = 0.05

Window = NDArray[np.bool_]


def _windows(trajectory: Trajectory) -> list[Window]:
    since = (trajectory.times - SEAM_SECONDS + 1e-9) / CHUNK_SECONDS
    return [(since >= chunk) & (since < chunk + 1) for chunk in range(CHUNKS)]


def _bouncing(trajectory: Trajectory, window: Window) -> frozenset[str]:
    """A dropped or thrown ball: in the air, at a contact, between bounces, at rest."""
    centre, times = trajectory.body("ball").centre, trajectory.times
    down = np.gradient(centre[:, 1], times) < -0.3
    contacts = bounces(trajectory)
    first = int(contacts[0]) if len(contacts) else len(times)
    here = window[contacts] if len(contacts) else np.zeros(0, dtype=bool)
    now = set(_STANDING)
    if (window & down & in_air(trajectory)).any():
        now.add("fall")
    if (window & in_air(trajectory) & (np.arange(len(times)) < first)).any():
        now.add("arc")
    if here.any():
        now |= {"land", "rebound", "no rebound"}
        now |= {"rebound high", "rebound low"} if here[0] else {"decay"}
    if window[first:].any():
        now.add("forward")
    speed = np.abs(np.gradient(centre, times, axis=0)).max(axis=1)
    if (speed[window][-8:] < _STILL).all():
        now.add("rest")
    return frozenset(now)


def _colliding(trajectory: Trajectory, window: Window) -> frozenset[str]:
    hit = collision_sample(trajectory)
    samples = np.flatnonzero(window)
    before, after = samples[0] < hit, samples[-1] >= hit
    names = set(_STANDING)
    if before:
        names.add("approach")
    if before and after:
        names |= {"contact", "transfer"}
    if after:
        names.add("friction")
    return frozenset(names)


def _on_ramp(trajectory: Trajectory, window: Window) -> frozenset[str]:
    above = trajectory.body("ball").centre[:, 1] > FLOOR + trajectory.scene.number("radius") + 0.02
    names = set(_STANDING)
    if above[window].any():
        names |= {"roll", "surface"}
    if not above[window].all():
        names |= {"floor", "friction"}
    return frozenset(names)


def _magnetic(trajectory: Trajectory, window: Window) -> frozenset[str]:
    place = trajectory.body("ball").centre[:, 0]
    there = np.abs(place - place[-1]) < 0.02
    names = set(_STANDING)
    if not there[window].all():
        names.add("attract")
    if there[window].any():
        names.add("stick")
    return frozenset(names)


def topics_by_second(trajectory: Trajectory) -> tuple[tuple[str, ...], ...]:
    """The topics true in each of the five seconds after the seam.

    Args:
        trajectory: Right physics of 8 s, sampled finely (40 or more samples a second).

    Returns:
        For every second the topics in order of time; always some of ``topics_of`` the scene.
        Kinds that go on in one way (a pendulum, ink, a shadow, heat) have all of them each time.
    """
    true = topics_of(trajectory.scene)
    reading = {
        "drop": _bouncing,
        "projectile": _bouncing,
        "collision": _colliding,
        "incline": _on_ramp,
        "magnet": _magnetic,
    }.get(trajectory.scene.kind)
    if reading is None:
        return (true,) * CHUNKS
    found = [reading(trajectory, window) for window in _windows(trajectory)]
    return tuple(tuple(name for name in true if name in now) for now in found)


def cues_by_second(trajectory: Trajectory) -> tuple[str, ...]:
    """The description and one sentence for everything true in each second after the seam."""
    scene: Scene = trajectory.scene
    return tuple(
        all_cues(scene, topics=topics) if topics else describe(scene)
        for topics in topics_by_second(trajectory)
    )
