"""Flights and bounces are held against the clip's own gravity."""

import numpy as np
import pytest
from filmed import FLOOR, RED, examine, fall, paint, seconds, topics

from phyrefine.world.eye.checking.flight import falls, own_gravity

TIMES = seconds(3.2)
HERE = np.full(len(TIMES), 64.0)
DROP, RUBBER = "A red ball is let go above the floor.", "A red rubber ball is dropped."
RADIUS = 5.0
G = 150.0  # pixels per second squared; from 85 to 21 a fall takes 0.92 s


def dropped(up, x=HERE):
    return paint((x, up, RADIUS, RED))


def bouncing(bounce, *, let_go=0.6, gravity=G):
    return fall(TIMES, start=85.0, let_go=let_go, gravity=gravity, bounce=bounce)


@pytest.mark.parametrize("gravity", [60.0, 300.0])
def test_gravity_is_measured_from_the_clip(gravity):
    case = examine(dropped(bouncing(0.75, gravity=gravity)), description=DROP)
    assert own_gravity(case, case.motions[0]).value == pytest.approx(gravity, rel=0.04)


@pytest.mark.parametrize("gravity", [60.0, 300.0])
def test_a_true_fall_is_left_alone_in_slow_motion_too(gravity):
    assert topics(dropped(bouncing(0.8, gravity=gravity)), 1.0, RUBBER) == []


def changed_gravity(filmed, made, *, speed):
    """Dropped and filmed under one gravity; after the first bounce under another."""
    up = fall(TIMES, start=85.0, let_go=0.1, gravity=filmed, bounce=0.0)
    landing = 0.1 + np.sqrt(2 * (85 - FLOOR - RADIUS) / filmed)
    after = TIMES - landing
    again = np.maximum(FLOOR + RADIUS + speed * after - made / 2 * after**2, FLOOR + RADIUS)
    return dropped(np.where(after < 0, up, again)), landing


def test_a_flight_is_compared_with_the_gravity_of_the_filmed_part():
    assert topics(*changed_gravity(150.0, 60.0, speed=70.0), DROP) == ["slow fall"]
    assert topics(*changed_gravity(60.0, 150.0, speed=75.0), DROP) == ["fast fall"]
    assert topics(*changed_gravity(100.0, 110.0, speed=85.0), DROP) == []


def test_braking_in_mid_air_is_no_fall():
    times = seconds(1.5)
    fallen = fall(times, start=85.0, let_go=0.1, gravity=120.0, bounce=0.0)
    since = np.maximum(times - 0.7, 0.0)
    braked = 85 - 60 * 0.6**2 - 72 * since + 25 * since**2
    clip = dropped(np.where(since > 0, braked, fallen), HERE[: len(times)])
    assert topics(clip, 0.7, DROP) == ["slow fall"]


@pytest.mark.parametrize(("gravity", "found"), [(40.0, []), (25.0, ["slow fall"])])
def test_drag_that_no_eye_can_see_is_left_alone(gravity, found):
    up = fall(TIMES, start=85.0, let_go=0.1, gravity=60.0, bounce=0.0)
    begin = int(np.argmax(TIMES >= 1.1))
    speed, since = 60.0 * (TIMES[begin] - 0.1), np.maximum(TIMES - TIMES[begin], 0.0)
    slower = np.maximum(up[begin] - speed * since - gravity / 2 * since**2, FLOOR + RADIUS)
    clip = dropped(np.where(np.arange(len(up)) < begin, up, slower))
    assert topics(clip, 0.7, "A red clay ball is let go above the floor.") == found


def test_a_small_ball_beside_a_large_hand_matters_if_it_goes_further():
    up = bouncing(0.75)
    hand = (np.full(len(TIMES), 24.0), 50 + 15 * np.cos(2 * TIMES), 16.0, (160, 110, 80))
    ball = (HERE, up, 3.5, RED)
    motions = examine(paint(hand, ball), description=DROP).motions
    (found,) = (motion for motion in motions if motion.name == "the red ball")
    assert found.track.radius == pytest.approx(3.5, abs=0.5)
    rests = (HERE, np.full(len(TIMES), 40.0) + 2 * np.sin(TIMES), 3.5, RED)
    assert len(examine(paint(hand, rests)).motions) == 1


def test_hanging_in_the_air():
    up = np.maximum(bouncing(0.75), 55.0)
    up[np.argmax(up <= 55.0) :] = 55.0
    assert topics(dropped(up), 0.8, DROP) == ["hover"]


def test_hanging_before_the_seam_is_the_hand_that_holds():
    assert topics(dropped(bouncing(0.75, let_go=1.5)), 1.6, DROP) == []


def test_lying_on_the_floor_is_no_hanging():
    assert topics(dropped(bouncing(0.4, let_go=0.2)), 0.5, DROP) == []


def test_a_push_from_the_side():
    up = bouncing(0.85, let_go=0.1)
    landing = 0.1 + np.sqrt(2 * (85 - FLOOR - RADIUS) / G)
    after = np.maximum(TIMES - landing, 0.0)
    straight, pushed = 30 + 15 * after, 30 + 0.165 * G * after**2
    assert topics(dropped(up[:40], straight[:40]), landing, RUBBER) == []
    assert "sideways" in topics(dropped(up[:40], pushed[:40]), landing, RUBBER)


def test_no_rebound_of_something_that_should_bounce():
    assert topics(dropped(bouncing(0.0)), 1.0, RUBBER) == ["stick"]
    assert topics(dropped(bouncing(0.0)), 1.0, "A red wooden ball is dropped.") == ["stick"]


def test_clay_may_stay_and_may_not_bounce():
    clay = "A red clay ball is dropped."
    assert topics(dropped(bouncing(0.0)), 1.0, clay) == []
    assert topics(dropped(bouncing(0.75)), 1.0, clay) == ["soft bounce"]


@pytest.mark.parametrize(
    ("words", "bounce", "found"),
    [("rubber", 0.8, []), ("rubber", 0.45, ["weak bounce"]), ("wooden", 0.58, []),
     ("wooden", 0.92, ["strong bounce"])],
)  # fmt: skip
def test_a_rebound_fits_its_material(words, bounce, found):
    assert topics(dropped(bouncing(bounce)), 1.0, f"A red {words} ball is dropped.") == found


def test_energy_out_of_nowhere():
    low = fall(TIMES, start=45.0, let_go=0.3, gravity=G, bounce=0.0)
    landing = 0.3 + np.sqrt(2 * (45 - FLOOR - RADIUS) / G)
    after = TIMES - landing
    rate = 1.4 * np.sqrt(2 * G * (45 - FLOOR - RADIUS))
    higher = np.maximum(FLOOR + RADIUS + rate * after - G / 2 * after**2, FLOOR + RADIUS)
    assert "gain" in topics(dropped(np.where(after < 0, low, higher)), 0.6, DROP)


def test_what_swings_or_spreads_need_not_fall():
    case = examine(dropped(bouncing(0.75)), 1.0, "A pendulum swings.")
    assert not falls(case, case.motions[0])
