"""Things are followed to a fraction of a pixel, through gaps and past each other."""

import numpy as np
import pytest
from filmed import BLUE, FPS, GREEN, RED, fall, paint, seconds, see, swinging, wall

from phyrefine.video.clip import Clip

TIMES = seconds(2.0)
HERE = np.full(len(TIMES), 50.0)


def test_centre_area_and_colour_of_a_disc():
    x = 20 + 30 * TIMES
    (track,) = see(paint((x, HERE, 6.0, RED), noise=1.5)).tracks
    assert np.abs(track.x - x).max() < 0.25
    assert np.abs(track.up - 50.0).max() < 0.25
    assert np.nanmedian(track.area) == pytest.approx(np.pi * 36, rel=0.08)
    assert track.radius == pytest.approx(6.0, rel=0.05)
    assert np.nanmedian(track.bottom) == pytest.approx(44.0, abs=0.6)
    assert np.abs(np.nanmedian(track.colour, axis=0) - RED).max() < 12
    # A disc's standard deviation along an axis is half its radius.
    assert np.nanmedian(track.wide) == pytest.approx(3.0, rel=0.08)
    assert np.nanmedian(track.tall) == pytest.approx(3.0, rel=0.08)
    assert not track.rim.any()
    assert track.travel == pytest.approx(np.ptp(x), abs=0.5)


def test_two_discs_are_two_tracks_largest_first():
    one, two = 20 + 20 * TIMES, 110 - 20 * TIMES
    tracks = see(paint((one, HERE, 5.0, RED), (two, HERE + 20, 8.0, BLUE))).tracks
    assert len(tracks) == 2
    assert np.abs(tracks[0].x - two).max() < 0.3
    assert np.abs(tracks[1].x - one).max() < 0.3


def test_a_thing_keeps_its_track_behind_a_post():
    x = 15 + 45 * TIMES
    clip = paint((x, HERE, 5.0, RED))
    frames = clip.frames.copy()
    frames[:, :, 60:68] = (60, 60, 60)
    (track,) = see(Clip(frames, FPS)).tracks
    assert track.first == 0
    assert track.last == len(TIMES) - 1
    clear = (x < 53) | (x > 75)
    assert np.abs(track.x - x)[clear].max() < 0.4


def test_what_stays_away_longer_is_a_new_track():
    x = 15 + 70 * TIMES
    x[12:24] = np.nan
    tracks = see(paint((x, HERE, 5.0, RED))).tracks
    assert {track.first for track in tracks} == {0, 24}


def test_a_string_is_left_out_of_its_bob():
    x, up = swinging(TIMES)
    clip = paint((x, up, 6.0, RED))
    frames = clip.frames.copy()
    for index in range(len(frames)):
        for share in np.linspace(0.0, 0.85, 120):
            column = int(64 + share * (x[index] - 64))
            frames[index, int(96 - (88 + share * (up[index] - 88))), column] = (70, 70, 70)
    tracks = see(Clip(frames, FPS)).tracks
    assert np.abs(tracks[0].x - x).max() < 0.6
    assert np.abs(tracks[0].up - up).max() < 0.6


def test_a_rod_is_left_out_of_its_bob_and_a_thin_box_stays():
    x, up = swinging(TIMES)
    along = np.linspace(0.0, 1.0, 40)
    rod = [(64 + s * (x - 64), 88 + s * (up - 88), 1.3, (70, 70, 70)) for s in along]
    tracks = see(paint(*rod, (x, up, 9.0, RED))).tracks
    assert np.abs(tracks[0].x - x).max() < 0.8
    assert np.abs(tracks[0].up - up).max() < 0.8
    row = [(20 + 25 * TIMES + shift, HERE, 1.6, RED) for shift in range(0, 24, 1)]
    (box,) = see(paint(*row)).tracks
    assert np.nanmedian(box.wide) > 6.0


def test_two_colours_that_always_touch_are_one_thing():
    x = 25 + 25 * TIMES
    (track,) = see(paint((x, HERE, 7.0, RED), (x + 1, HERE + 7, 6.0, BLUE))).tracks
    assert np.nanmedian(track.up) > 51.5


def test_balls_that_meet_for_a_moment_stay_two():
    one = np.minimum(20 + 40 * TIMES, 60.0)
    two = np.full(len(TIMES), 70.5)
    two[one >= 60] = 70.5 + 30 * (TIMES[one >= 60] - TIMES[np.argmax(one >= 60)])
    tracks = see(paint((one, HERE, 5.0, RED), (two, HERE, 5.0, GREEN))).tracks
    assert len(tracks) == 2


def test_balls_that_stay_in_touch_after_they_met_are_still_two():
    one = np.minimum(20 + 40 * TIMES, 60.0)
    two = np.where(one < 60, 90 - 20 * TIMES, 70.0)
    tracks = see(paint((one, HERE, 5.0, RED), (two, HERE, 5.0, GREEN))).tracks
    assert len(tracks) == 2
    assert sorted(track.x[-1] for track in tracks) == pytest.approx([60.0, 70.0], abs=0.6)


def test_a_bounce_does_not_break_a_track():
    up = fall(TIMES, start=80.0, let_go=0.2, gravity=400.0, bounce=0.9)
    (track,) = see(paint((HERE, up, 5.0, RED))).tracks
    assert np.abs(track.up - up).max() < 0.4


def test_leaving_through_the_border_is_noted():
    x = 90 + 40 * TIMES
    (track,) = see(paint((x, HERE, 5.0, RED))).tracks
    assert track.last < len(TIMES) - 1
    assert track.rim[track.last]
    assert not track.rim[track.first]


def test_nothing_moves_nothing_is_followed():
    still = paint((HERE, HERE, 5.0, RED), noise=2.0)
    assert see(still).tracks == ()
    noise = np.random.default_rng(1).normal(128, 4, (24, 48, 64, 3)).astype(np.uint8)
    assert see(Clip(noise, FPS)).tracks == ()


def test_a_faint_thing_is_seen_by_a_keener_eye():
    faint = np.asarray(wall()[0, 0]) - 11.0
    clip = paint((20 + 30 * TIMES, HERE, 6.0, faint))
    assert see(clip).tracks == ()
    (track,) = see(clip, sensitivity=2.0).tracks
    assert np.abs(track.x - (20 + 30 * TIMES)).max() < 1.0


def test_thumbs_are_means_of_cells():
    sight = see(paint((20 + 30 * TIMES, HERE, 6.0, RED)))
    assert sight.thumbs.shape == (len(TIMES), 24, 32)
    assert sight.thumbs[0, 0, 0] == pytest.approx(wall()[0, 0].mean())
    assert sight.size == (96, 128)
    assert sight.times[-1] == pytest.approx(TIMES[-1])
