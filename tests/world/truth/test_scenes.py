"""Simulations obey the physics they are named after."""

import math

import numpy as np
import pytest

from phyrefine.errors import InvalidInputError
from phyrefine.world.truth.physics.mechanics import FLOOR, GRAVITY
from phyrefine.world.truth.scenes import (
    KINDS,
    TEST_SEEDS,
    TRAINING_SEEDS,
    sample_scene,
    simulate,
    split_of,
)

FPS = 240.0


def _track(kind, seed, name="ball", take=1):
    scene = sample_scene(kind, seed)
    trajectory = simulate(scene, take, fps=FPS)
    return scene, trajectory.times, trajectory.body(name).centre


def _speed(centre):
    return np.gradient(centre, 1 / FPS, axis=0)


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_scene_and_motion(kind):
    first, second = (simulate(sample_scene(kind, 5), fps=8) for _ in range(2))
    assert first.scene == second.scene
    assert first.scene.params == second.scene.params
    for one, other in zip(first.bodies, second.bodies, strict=True):
        assert np.array_equal(one.centre, other.centre)
    assert sample_scene(kind, 6).params != first.scene.params


@pytest.mark.parametrize("kind", KINDS)
def test_much_happens_after_the_seam(kind):
    for seed in range(3):
        trajectory = simulate(sample_scene(kind, seed), fps=8)
        after = trajectory.times >= 3.0
        change = max(
            max(
                np.ptp(body.centre[after], axis=0).max(),
                np.ptp(body.extent[after]),
                np.ptp(body.colour[after], axis=0).max(),
            )
            for body in trajectory.bodies
        )
        assert change > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_takes_differ_slightly(kind):
    scene = sample_scene(kind, 4)
    takes = [simulate(scene, take, fps=8) for take in (1, 2)]
    before = takes[0].times < 3.5
    apart = [
        np.abs(one.centre - other.centre)[before].max()
        + np.abs(one.extent - other.extent).max()
        + np.abs(one.colour - other.colour).max()
        for one, other in zip(takes[0].bodies, takes[1].bodies, strict=True)
    ]
    assert 0.0 < max(apart) < 0.5


def test_frame_rate_does_not_change_the_motion():
    scene = sample_scene("drop", 3)
    fine, coarse = simulate(scene, fps=48), simulate(scene, fps=8)
    assert np.allclose(fine.body("ball").centre[::6], coarse.body("ball").centre, atol=1e-9)


def test_free_fall_accelerates_by_gravity():
    scene, times, centre = _track("drop", 1)
    falling = (times > scene.number("release") + 0.05) & (centre[:, 1] > 1.0)
    falling &= np.cumsum(centre[:, 1] < 1.0) == 0
    curve = np.polyfit(times[falling], centre[falling, 1], 2)
    assert 2 * curve[0] == pytest.approx(-GRAVITY, rel=0.01)


@pytest.mark.parametrize("seed", range(6))
def test_rebound_height_is_restitution_squared(seed):
    scene, _, centre = _track("drop", seed)
    rest = FLOOR + scene.number("radius")
    contact = int(np.argmax(centre[:, 1] < rest + 0.02))
    rebound = centre[contact:, 1].max() - rest
    expected = scene.number("restitution") ** 2 * (scene.number("height") - rest)
    assert rebound == pytest.approx(expected, abs=0.05)


def test_energy_never_grows_in_a_drop():
    _, _, centre = _track("drop", 2)
    speed = _speed(centre)
    energy = 0.5 * (speed**2).sum(axis=1) + GRAVITY * centre[:, 1]
    assert energy.max() <= energy[0] * 1.01


@pytest.mark.parametrize("seed", range(4))
def test_collision_keeps_momentum_and_bodies_apart(seed):
    scene, times, first = _track("collision", seed)
    other = _track("collision", seed, "other ball")[2]
    gap = np.abs(first[:, 0] - other[:, 0])
    assert gap.min() > 2 * scene.number("radius") - 0.02
    hit = int(np.argmax(np.abs(other[:, 0] - other[0, 0]) > 0.002))
    assert times[hit] > 3.0
    momentum = _speed(first)[:, 0] + _speed(other)[:, 0]
    # Rolling resistance takes 45 % a second; 0.1 s around the contact lose less than 6 %.
    assert momentum[hit + 12] == pytest.approx(momentum[hit - 12], rel=0.06)
    assert np.allclose(first[:, 1], first[0, 1], atol=0.02)


def test_pendulum_keeps_its_string_and_period():
    scene, times, bob = _track("pendulum", 2)
    pivot = np.array((scene.number("x"), 2.85))
    length = np.hypot(*(bob - pivot).T)
    assert np.allclose(length, scene.number("length"), atol=0.01)
    side = np.sign(bob[:, 0] - pivot[0])
    passes = times[1:][np.diff(side) != 0]
    # A physical pendulum: the bob is a disc that turns with the string or not; both lie here.
    small = 2 * math.pi * math.sqrt(scene.number("length") / GRAVITY)
    assert 1.0 < 2 * np.diff(passes).mean() / small < 1.07


def test_rolling_down_accelerates_like_a_solid_disc():
    scene, times, centre = _track("incline", 1)
    began = scene.number("release")
    rolling = (times > began + 0.05) & (np.abs(centre[:, 0]) < 1.6)
    rolling &= centre[:, 1] > FLOOR + scene.number("radius") + 0.25
    distance = np.hypot(*(centre - centre[0]).T)
    curve = np.polyfit(times[rolling], distance[rolling], 2)
    expected = GRAVITY * math.sin(scene.number("slope")) * 2 / 3
    assert 2 * curve[0] == pytest.approx(expected, rel=0.05)


def test_ink_is_conserved():
    ink = simulate(sample_scene("stain", 1), fps=8).body("stain")
    there = ink.opacity > 0
    amount = (ink.opacity * ink.extent[:, 0] ** 2)[there]
    assert np.allclose(amount, amount[0])


def test_shadow_ends_on_the_ray_from_the_lamp():
    scene = sample_scene("shadow", 1)
    trajectory = simulate(scene, fps=8)
    lamp, dark = trajectory.body("lamp"), trajectory.body("shadow")
    reach = 2 * (dark.centre[:, 0] - scene.number("x"))
    top = np.array((scene.number("x"), FLOOR + scene.number("post")))
    rise = lamp.centre[:, 1] - top[1]
    slope = (top[0] - lamp.centre[:, 0]) / rise
    assert np.allclose(reach, slope * scene.number("post"), atol=1e-9)


def test_blocks_of_a_stack_topple():
    trajectory = simulate(sample_scene("stack", 1), fps=8)
    assert max(np.abs(body.angle[-1]) for body in trajectory.bodies if "block" in body.name) > 0.5


def test_splits_are_apart_and_named():
    assert not set(TRAINING_SEEDS[:10]) & set(TEST_SEEDS[:10])
    assert split_of(0) == "training"
    assert split_of(TEST_SEEDS[0]) == "test"
    with pytest.raises(InvalidInputError, match="-1"):
        split_of(-1)


def test_unknown_kind_and_empty_clip_are_refused():
    with pytest.raises(InvalidInputError, match="juggling"):
        sample_scene("juggling", 1)
    with pytest.raises(InvalidInputError, match="no frame"):
        simulate(sample_scene("drop", 1), seconds=0.01, fps=8)
