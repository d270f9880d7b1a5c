"""Rolling, stopping, colliding and sinking in."""

import numpy as np
from filmed import BLUE, FLOOR, RED, examine, paint, seconds, topics, wall

TIMES = seconds(3.5)
RADIUS = 5.0
LOW = np.full(len(TIMES), FLOOR + RADIUS)
ROLL = "A red ball rolls along the floor."
HIT = "A red ball rolls towards a blue ball at rest."
SEAM = 1.0


def rolled(x, up=LOW, image=None):
    return paint((x, up, RADIUS, RED), image=image)


def test_rolling_on_and_slowing_down_is_left_alone():
    assert topics(rolled(15 + 22 * TIMES), SEAM, ROLL) == []
    assert topics(rolled(15 + 80 * (1 - np.exp(-0.5 * TIMES))), SEAM, ROLL) == []


def test_a_stop_without_a_cause():
    assert topics(rolled(np.minimum(15 + 30 * TIMES, 70.0)), SEAM, ROLL) == ["stop"]


def test_a_stop_at_a_wall_has_a_cause():
    image = wall()
    image[:, 76:] = (60, 60, 60)
    assert topics(rolled(np.minimum(15 + 30 * TIMES, 70.0), image=image), SEAM, ROLL) == []


def test_a_stop_in_the_filmed_part_is_not_the_models():
    assert topics(rolled(np.minimum(15 + 60 * TIMES, 70.0)), 2.0, "A red ball.") == []


def test_setting_off_by_itself():
    x = np.where(TIMES < 2.0, 40.0, 40.0 + 30.0 * (TIMES - 2.0))
    assert topics(rolled(x), SEAM, "A red ball lies on the floor.") == ["start"]


def test_what_is_let_go_sets_off_downward():
    x = np.full(len(TIMES), 40.0)
    down = np.maximum(70.0 - 40.0 * np.maximum(TIMES - 1.2, 0.0), FLOOR + RADIUS)
    held, let_go = "A red ball over the floor.", "A red ball is let go above the floor."
    assert "start" in topics(rolled(x, down), SEAM, held)
    assert "start" not in topics(rolled(x, down), SEAM, let_go)
    rising = 30.0 + 40.0 * np.maximum(TIMES - 1.2, 0.0)
    assert "start" in topics(rolled(x, np.minimum(rising, 80.0)), SEAM, let_go)


# -- collisions --------------------------------------------------------------------------------


def met(first, second, other=BLUE):
    return paint((second, LOW, RADIUS, other), (first, LOW, RADIUS, RED))


def meeting(speed=30.0, gap=60.0):
    """Runner and target, with the instant at which their edges touch."""
    x = 15 + speed * TIMES
    return x, np.full(len(TIMES), gap + RADIUS + 15), (gap - RADIUS) / speed


def test_momentum_passed_on_is_left_alone():
    x, other, touch = meeting()
    after = np.maximum(TIMES - touch, 0.0)
    stopped = np.minimum(x, 15 + 30 * touch) + 2.0 * after
    assert topics(met(stopped, other + 27.0 * after), SEAM, HIT) == []


def test_momentum_that_is_lost():
    x, other, touch = meeting()
    # The target trembles a little, so that it is seen to be a thing.
    trembling = other + 1.6 * np.minimum(np.maximum(TIMES - touch, 0.0), 1.0)
    found = topics(met(np.minimum(x, 15 + 30 * touch), trembling), SEAM, HIT)
    assert found == ["no transfer"]


def test_momentum_lost_to_a_target_that_never_moves():
    x, other, touch = meeting()
    assert topics(met(np.minimum(x, 15 + 30 * touch), other), SEAM, HIT) == ["no transfer"]


def test_passing_through():
    x, other, _ = meeting()
    case = examine(met(x, other), SEAM, HIT)
    assert [motion.name for motion in case.motions][:1] == ["the red ball"]
    assert topics(met(x, other), SEAM, HIT) == ["pass through"]


def test_passing_through_a_target_that_is_seen_to_move():
    x, other, _ = meeting()
    assert topics(met(x, other - 6 + 3 * TIMES), SEAM, HIT) == ["pass through"]


def test_faster_after_the_impact_than_before():
    x, other, touch = meeting(speed=20.0)
    after = np.maximum(TIMES - touch, 0.0)
    found = topics(met(np.minimum(x, 15 + 20 * touch), other + 45.0 * after), SEAM, HIT)
    assert found == ["push gain"]


# -- slopes and floors -------------------------------------------------------------------------


def on_slope(x):
    image = wall()
    rows = 96 - np.arange(96)[:, None] - 0.5
    image[rows < 80 - 0.4 * (np.arange(128)[None] - 20) - 5.4] = (150, 110, 70)
    image[96 - int(FLOOR) :] = wall()[-1, 0]
    return rolled(x, 80 - 0.4 * (x - 20), image)


def test_nothing_comes_to_rest_on_a_slope():
    words = "A red ball rolls down a ramp."
    times = TIMES[:36]
    assert topics(on_slope(20 + 12 * np.minimum(times, 1.2) ** 2), 0.8, words) == ["stop"]
    assert topics(on_slope(20 + 12 * times**2), 0.8, words) == []
    slowing = 20 + 30 * (1 - np.exp(-2.0 * TIMES))
    assert topics(on_slope(slowing), 0.8, words) == ["slope stop"]


def test_sinking_through_the_floor():
    up = 85 - 75 * np.maximum(TIMES - 0.4, 0.0) ** 2
    up[up < -10] = np.nan
    clip = rolled(np.where(np.isfinite(up), 64.0, np.nan), up)
    assert "sink" in topics(clip, 0.8, "A red ball is dropped.")
