"""Wrong physics goes wrong after the seam, and only there, in both directions."""

import numpy as np
import pytest

from phyrefine.world.truth.physics.mistakes import MISTAKES, can_err, draw_mistake, plant
from phyrefine.world.truth.physics.rendering import render
from phyrefine.world.truth.scenes import sample_scene, simulate

FPS = 48.0
EVERY = [(kind, mistake.name) for kind, group in MISTAKES.items() for mistake in group]


def _scenes(kind, count, first=0):
    seeds = range(first, first + 100)
    return [scene for seed in seeds if can_err(scene := sample_scene(kind, seed))][:count]


def _mistake(kind, name):
    return next(one for one in MISTAKES[kind] if one.name == name)


def _planted(kind, name, seed=0, **how):
    mistake = _mistake(kind, name)
    right = simulate(_scenes(kind, 1)[0], seconds=mistake.seconds, fps=FPS)
    return right.before(8.0), *plant(right, mistake, np.random.default_rng(seed), **how)


def _change(right, wrong):
    """Per sample: how far bodies are from where they should be, and new or faded ones."""
    change = np.zeros(len(right.times))
    names = {body.name for body in right.bodies}
    for body in wrong.bodies:
        if body.name in names:
            true = right.body(body.name)
            change += np.abs(body.centre - true.centre).sum(axis=1)
            change += np.abs(body.opacity - true.opacity)
        else:
            change += body.opacity
    return change


@pytest.mark.parametrize(("kind", "name"), EVERY)
@pytest.mark.parametrize("early", [True, False])
def test_mistakes_change_the_clip_after_the_seam_only(kind, name, early):
    right, wrong, planted = _planted(kind, name, early=early)
    change = _change(right, wrong)
    assert np.array_equal(wrong.times, right.times)
    assert change[right.times < 3.0].max() < 1e-9
    assert change[right.times >= 3.0].max() > 0.1
    before = right.times < 3.0 + planted.start - 0.01
    assert change[before].max(initial=0.0) < 0.1
    assert planted.name == name
    assert 0.0 <= planted.start < 4.5
    assert planted.early == (planted.start < 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MISTAKES)
def test_mistakes_begin_in_the_first_second_and_later(kind):
    rng = np.random.default_rng(1)
    begun = set()
    for scene in _scenes(kind, 24):
        mistake = draw_mistake(scene, rng)
        right = simulate(scene, seconds=mistake.seconds, fps=FPS)
        begun.add(plant(right, mistake, rng)[1].early)
    assert begun == {True, False}


def test_either_direction_is_as_likely():
    rng = np.random.default_rng(0)
    for kind in MISTAKES:
        scene = _scenes(kind, 1)[0]
        drawn = [draw_mistake(scene, rng) for _ in range(600)]
        more = np.mean([one.direction == "more" for one in drawn])
        assert 0.44 < more < 0.56
        assert {one.name for one in drawn} == {one.name for one in MISTAKES[kind]}


def _motion(trajectory):
    frames = render(trajectory.every(6, start=144), (64, 48), noise=0.0).astype(int)
    return (np.abs(np.diff(frames, axis=0)).max(axis=-1) > 30).mean()


@pytest.mark.slow
def test_planted_mistakes_raise_motion_about_as_often_as_they_lower_it():
    """Else the clip with most motion would be the best pick for no good reason."""
    rng = np.random.default_rng(0)
    raised = []
    for kind in MISTAKES:
        for scene in _scenes(kind, 30, first=700_000):
            mistake = draw_mistake(scene, rng)
            right = simulate(scene, seconds=mistake.seconds, fps=FPS)
            wrong, _ = plant(right, mistake, rng)
            raised.append(_motion(wrong) > _motion(right.before(8.0)))
    assert 0.38 < np.mean(raised) < 0.62


def test_floating_ball_never_lands():
    right, wrong, _ = _planted("drop", "floats", early=True)
    height = wrong.body("ball").centre[:, 1]
    assert height[-1] > right.body("ball").centre[:, 1].min() + 0.1
    assert np.ptp(height[-200:]) == 0.0


def test_vanished_ball_is_gone():
    _, wrong, _ = _planted("drop", "vanishes")
    assert wrong.body("ball").opacity[-1] == 0.0


def _meeting(scene):
    """Second after the seam at which the balls of a collision touch."""
    moved = np.abs(np.diff(simulate(scene, fps=FPS).body("other ball").centre[:, 0])) > 0.003
    return np.argmax(moved) / FPS - 3.0


def _collision(late):
    return next(one for one in _scenes("collision", 99) if (_meeting(one) > 0.1) == late)


def test_passing_through_leaves_the_struck_ball_alone():
    right = simulate(_collision(late=True), fps=FPS)
    mistake = _mistake("collision", "passes through")
    wrong, _ = plant(right, mistake, np.random.default_rng(0))
    other = wrong.body("other ball").centre
    assert np.ptp(other[:, 0]) == 0.0
    side = np.sign(wrong.body("ball").centre[:, 0] - other[:, 0])
    assert side[0] != side[-1]


def test_balls_that_met_before_the_seam_stick_instead_of_passing_through():
    right = simulate(_collision(late=False), fps=FPS)
    mistake = _mistake("collision", "passes through")
    wrong, _ = plant(right, mistake, np.random.default_rng(0))
    assert _change(right, wrong)[right.times < 3.0].max() < 1e-9
    assert np.ptp(wrong.body("other ball").centre[160:, 0]) == 0.0


def test_too_lively_ball_rises_above_where_it_fell_from():
    scene = _scenes("drop", 1)[0]
    right = simulate(scene, fps=FPS)
    wrong, _ = plant(right, _mistake("drop", "too lively"), np.random.default_rng(0), early=True)
    after = wrong.body("ball").centre[right.times > 4.0, 1]
    assert after.max() > right.body("ball").centre[right.times > 4.0, 1].max() + 0.5
    assert after.max() < 2.75


def test_too_lively_collision_is_faster_than_what_came():
    right, wrong, planted = _planted("collision", "too lively")
    soon = right.times > 3.0 + planted.start
    fastest = np.abs(np.diff(wrong.body("other ball").centre[soon, 0])).max() * FPS
    assert fastest > 1.2 * right.scene.number("speed")


def test_never_at_rest_keeps_its_height():
    right, wrong, _ = _planted("drop", "never at rest", early=True)
    late = wrong.body("ball").centre[right.times > 6.5, 1]
    assert np.ptp(late) > 0.5
    rest = right.body("ball").centre[:, 1].min()
    assert late.min() == pytest.approx(rest, abs=0.05)


def test_swings_grow():
    right, wrong, _ = _planted("pendulum", "never at rest", early=True)
    late = right.times > 6.0
    grown = np.abs(wrong.body("string").angle[late]).max()
    assert grown > 1.2 * np.abs(right.body("string").angle[late]).max()
    arm = np.linalg.norm(wrong.body("ball").centre - wrong.body("string").centre, axis=1)
    assert arm == pytest.approx(np.full(len(arm), right.scene.number("length") / 2), abs=1e-3)


def test_too_fast_reaches_later_places_sooner():
    mistake = _mistake("pendulum", "too fast")
    right = simulate(_scenes("pendulum", 1)[0], seconds=mistake.seconds, fps=FPS)
    wrong, planted = plant(right, mistake, np.random.default_rng(0), early=True)
    after = wrong.times > 3.0 + planted.start
    fast = np.abs(np.diff(wrong.body("ball").centre[after], axis=0)).sum()
    assert fast > 1.3 * np.abs(np.diff(right.before(8.0).body("ball").centre[after], axis=0)).sum()


def test_doubled_ball_is_there_twice():
    right, wrong, _ = _planted("drop", "doubled")
    copy = wrong.body("second ball")
    assert copy.opacity[right.times < 3.0].max() == 0.0
    assert copy.opacity[-1] == 1.0
    gap = np.abs(copy.centre - right.body("ball").centre).max()
    assert gap > 2 * right.scene.number("radius")


def test_jumping_ball_is_suddenly_elsewhere():
    right, wrong, _ = _planted("incline", "jumps")
    steps = np.abs(np.diff(wrong.body("ball").centre[:, 0]))
    assert steps.max() > 0.5
    assert np.abs(np.diff(right.body("ball").centre[:, 0])).max() < 0.1


def test_clay_cannot_stick_wrongly():
    clay = next(
        scene
        for seed in range(99)
        if (scene := sample_scene("drop", seed)).params["material"] == "clay"
    )
    assert not can_err(clay)
