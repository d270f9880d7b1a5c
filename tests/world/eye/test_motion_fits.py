"""Stretches of constant acceleration, and the contacts between them, are what was put in."""

import functools

import numpy as np
import pytest
from attrs import evolve
from filmed import RED, fall, paint, seconds, see

from phyrefine.world.eye.measuring.motion import contacts, jitter, stretches

TIMES = seconds(2.0)
HERE = np.full(len(TIMES), 50.0)


@functools.cache
def seen():
    (track,) = see(paint((20 + 30 * TIMES, HERE, 5.0, RED))).tracks
    return track


def tracked(x, up, noise=0.0):
    """A track with exactly these centres, or with white noise on them."""
    track = seen()
    grain = noise * np.random.default_rng(0).standard_normal((2, len(TIMES)))
    return evolve(track, x=x + grain[0], up=up + grain[1])


def test_a_throw_is_one_stretch():
    track = tracked(20 + 35 * TIMES, 40 + 60 * TIMES - 40 * TIMES**2)
    (piece,) = stretches(track, TIMES)
    assert piece.pull == pytest.approx([0.0, -80.0], abs=1e-6)
    assert piece.speed == pytest.approx([35.0, 60.0], abs=1e-6)
    assert piece.position == pytest.approx([20.0, 40.0], abs=1e-6)
    assert piece.at(1.0) == pytest.approx([55.0, 60.0])
    assert piece.velocity(1.0) == pytest.approx([35.0, -20.0])
    assert (piece.first, piece.last, piece.frames) == (0, 31, 32)
    assert piece.seconds == pytest.approx(TIMES[-1])
    assert piece.misfit < 1e-6


def test_the_error_of_an_acceleration_is_its_scatter():
    pulls, errors = [], []
    for seed in range(40):
        grain = 0.2 * np.random.default_rng(seed).standard_normal((2, len(TIMES)))
        track = tracked(20 + 35 * TIMES + grain[0], 40 + 60 * TIMES - 40 * TIMES**2 + grain[1])
        (piece,) = stretches(track, TIMES)
        pulls.append(piece.pull[1])
        errors.append(piece.pull_error)
    assert np.mean(pulls) == pytest.approx(-80.0, abs=0.6)
    # The misfit is of both coordinates together, so the error is a little on the safe side.
    assert 0.9 * np.std(pulls) < np.mean(errors) < 2.0 * np.std(pulls)


def test_a_bounce_is_a_contact_with_both_velocities():
    up = fall(TIMES, start=80.0, let_go=0.0, gravity=200.0, bounce=0.7, rest=20.0)
    track = tracked(20 + 10 * TIMES, up, noise=0.05)
    first = contacts(stretches(track, TIMES), least=6.0)[0]
    assert first.time == pytest.approx(np.sqrt(2 * 60 / 200), abs=0.02)
    assert first.before == pytest.approx([10.0, -np.sqrt(2 * 200 * 60)], rel=0.05, abs=1.5)
    assert first.after == pytest.approx([10.0, 0.7 * np.sqrt(2 * 200 * 60)], rel=0.05, abs=1.5)
    assert first.position[1] == pytest.approx(20.0, abs=1.0)


def test_rest_and_steady_motion_are_stretches_without_pull():
    x = np.where(TIMES < 1.0, 30.0, 30.0 + 40.0 * (TIMES - 1.0))
    pieces = stretches(tracked(x, HERE, noise=0.05), TIMES)
    assert len(pieces) == 2
    assert pieces[0].mean_speed < 1.0
    assert pieces[1].mean_speed == pytest.approx(40.0, abs=1.0)
    (contact,) = contacts(pieces, least=6.0)
    assert contact.time == pytest.approx(1.0, abs=0.06)


def test_small_changes_of_velocity_are_no_contacts():
    x = np.where(TIMES < 1.0, 20 + 40.0 * TIMES, 60.0 + 28.0 * (TIMES - 1.0))
    pieces = stretches(tracked(x, HERE), TIMES)
    assert len(contacts(pieces, least=6.0)) == 1
    assert contacts(pieces, least=14.0) == ()


def test_frames_at_the_border_or_half_hidden_are_left_out():
    track = tracked(20 + 35 * TIMES, HERE)
    rim, area = track.rim.copy(), track.area.copy()
    rim[26:] = True
    area[:6] = 0.3 * area[20]
    (piece,) = stretches(evolve(track, rim=rim, area=area), TIMES)
    assert (piece.first, piece.last) == (6, 25)


def test_jitter_is_the_noise_and_not_the_motion():
    noise = 0.3 * np.random.default_rng(0).standard_normal(4000)
    curve = np.linspace(0, 40, 4000) ** 2
    assert jitter(curve + noise) == pytest.approx(0.3, rel=0.05)
    assert jitter(curve) < 1e-6
    assert jitter(np.array([1.0, np.nan, 2.0])) == 0.0
