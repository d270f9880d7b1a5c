"""Wrong physics goes wrong after the seam, and only there."""

import numpy as np
import pytest

from phyrefine.world.truth.physics.mistakes import (
    MISTAKES,
    can_err,
    float_in_air,
    pass_through,
    vanish,
)
from phyrefine.world.truth.scenes import sample_scene, simulate

FPS = 48.0


def _bouncing(kind):
    return next(scene for seed in range(20) if can_err(scene := sample_scene(kind, seed)))


@pytest.mark.parametrize("kind", MISTAKES)
def test_mistakes_change_the_clip_after_the_seam_only(kind):
    right = simulate(_bouncing(kind), fps=FPS)
    before = right.times < 3.0
    for mistake in MISTAKES[kind]:
        wrong = mistake.edit(right, np.random.default_rng(0))
        change = sum(
            np.abs(one.centre - other.centre).sum(axis=1) + np.abs(one.opacity - other.opacity)
            for one, other in zip(right.bodies, wrong.bodies, strict=True)
        )
        assert change[before].max() < 1e-3
        assert change[~before].max() > 0.1


def test_floating_ball_never_lands():
    right = simulate(_bouncing("drop"), fps=FPS)
    wrong = float_in_air(right, np.random.default_rng(0)).body("ball").centre[:, 1]
    assert wrong[-1] > right.body("ball").centre[:, 1].min() + 0.1
    assert np.ptp(wrong[-200:]) == 0.0


def test_vanished_ball_is_gone():
    wrong = vanish(simulate(_bouncing("drop"), fps=FPS), np.random.default_rng(0))
    assert wrong.body("ball").opacity[-1] == 0.0


def test_passing_through_leaves_the_struck_ball_alone():
    wrong = pass_through(simulate(_bouncing("collision"), fps=FPS), np.random.default_rng(0))
    other = wrong.body("other ball").centre
    assert np.ptp(other[:, 0]) == 0.0
    side = np.sign(wrong.body("ball").centre[:, 0] - other[:, 0])
    assert side[0] != side[-1]


def test_clay_cannot_stick_wrongly():
    clay = next(
        scene
        for seed in range(99)
        if (scene := sample_scene("drop", seed)).params["material"] == "clay"
    )
    assert not can_err(clay)
