"""Pendulums: circle, period and amplitude, and what breaks a swing."""

import numpy as np
import pytest
from filmed import RED, examine, fall, paint, seconds, swinging, topics

from phyrefine.world.eye.measuring.swing import fit_circle

FPS = 12.0
TIMES = seconds(5.5, FPS)
WORDS = "A red ball swings on a string."


def filmed(x, up, **settings):
    return paint((x, up, 5.0, RED), fps=FPS, **settings)


def test_a_circle_is_fitted_exactly():
    angle = np.linspace(-0.6, 0.5, 30)
    centre, radius, off = fit_circle(10 + 40 * np.sin(angle), 70 - 40 * np.cos(angle))
    assert centre == pytest.approx([10.0, 70.0])
    assert radius == pytest.approx(40.0)
    assert np.abs(off).max() < 1e-6


@pytest.mark.parametrize("period", [1.37, 2.2])
def test_period_within_one_percent(period):
    clip = filmed(*swinging(TIMES, period=period, decay=0.05), noise=1.5)
    swing = examine(clip).motions[0].swing
    assert swing.period == pytest.approx(period, rel=0.01)
    assert swing.amplitude == pytest.approx(0.5, abs=0.03)
    assert swing.length == pytest.approx(50.0, rel=0.03)
    assert swing.pivot == pytest.approx([64.0, 88.0], abs=1.5)
    assert len(swing.crossings) == pytest.approx(2 * 5.5 / period, abs=1)


def test_a_fall_a_roll_and_a_throw_are_no_swings():
    times = seconds(2.0, FPS)
    up = fall(times, start=85.0, let_go=0.2, gravity=200.0)
    here = np.full(len(times), 64.0)
    arc = 30 + 60 * times - 40 * times**2
    for x, height in ((here, up), (20 + 40 * times, here), (20 + 40 * times, arc)):
        assert examine(filmed(x, height)).motions[0].swing is None


def test_part_of_one_swing_is_enough_when_words_say_so():
    times = seconds(0.8, FPS)
    clip = filmed(*swinging(times, period=2.0))
    assert examine(clip, description="A red ball rolls.").motions[0].swing is None
    assert examine(clip, description=WORDS).motions[0].swing is not None


@pytest.mark.parametrize("decay", [0.1])
def test_a_true_swing_is_left_alone(decay):
    assert topics(filmed(*swinging(TIMES, decay=decay)), 2.0, WORDS) == []


def test_a_bob_that_stops_aside():
    x, up = swinging(TIMES)
    stop = int(2.8 * FPS)
    x[stop:], up[stop:] = x[stop], up[stop]
    assert abs(x[stop] - 64) > 5
    assert topics(filmed(x, up), 2.0, WORDS) == ["swing stop"]


def test_a_bob_let_go_late_has_not_stopped():
    start = int(1.5 * FPS)
    x, up = swinging(TIMES)
    later = np.concatenate([np.zeros(start, int), np.arange(len(TIMES) - start)])
    assert topics(filmed(x[later], up[later]), 2.0, WORDS) == []


def test_a_bob_that_climbs():
    found = topics(filmed(*swinging(TIMES, angle=0.25, decay=-0.15)), 2.0, WORDS)
    assert found == ["swing gain"]


def test_a_string_that_stretches():
    length = 50.0 + 8.0 * np.exp(-(((TIMES - 4.3) / 0.25) ** 2))
    assert topics(filmed(*swinging(TIMES, length=length)), 2.0, WORDS) == ["string"]


def test_a_swing_that_loses_its_rhythm():
    warped = np.where(TIMES < 3.0, TIMES, 3.0 + 0.5 * (TIMES - 3.0))
    assert topics(filmed(*swinging(warped)), 2.0, WORDS) == ["period"]


def test_faults_of_the_filmed_part_are_not_the_models():
    x, up = swinging(TIMES)
    warped = np.where(TIMES < 1.0, 2.0 * TIMES, 2.0 + (TIMES - 1.0))
    assert topics(filmed(*swinging(warped)), 3.5, WORDS) == []
    assert topics(filmed(x, up), 3.5, WORDS) == []
