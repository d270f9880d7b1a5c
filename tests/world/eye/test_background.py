"""What stands still is found although things move, rest and hide it."""

import numpy as np
from filmed import FPS, RED, WALL, fall, paint, seconds, wall

from phyrefine.world.eye.measuring.background import find_background


def test_the_wall_behind_a_moving_disc_comes_back():
    times = seconds(3.0)
    clip = paint((20 + 25 * times, np.full(len(times), 50.0), 6.0, RED), noise=1.5)
    background = find_background(clip.frames)
    assert np.abs(background.image - wall()).max() < 6.0
    assert 1.0 < background.noise < 2.0


def test_a_thing_that_rests_most_of_the_time_is_not_part_of_the_wall():
    times = seconds(4.0)
    up = fall(times, start=75.0, let_go=3.2, gravity=150.0)
    clip = paint((np.full(len(times), 64.0), up, 6.0, RED))
    image = find_background(clip.frames).image
    hidden = image[96 - 80 : 96 - 70, 60:68]
    assert np.abs(hidden - WALL).max() < 6.0


def test_a_thing_that_comes_to_rest_and_stays_is_not_part_of_the_wall():
    times = seconds(4.0)
    up = fall(times, start=75.0, let_go=0.3, gravity=300.0, bounce=0.0)
    image = find_background(paint((np.full(len(times), 64.0), up, 6.0, RED)).frames).image
    resting = image[96 - 24 : 96 - 18, 61:67]
    assert np.abs(resting - WALL).max() < 6.0


def test_what_a_thing_always_covers_is_no_part_of_the_thing():
    times = seconds(2.0)
    clip = paint((64 + 7 * np.sin(3 * times), np.full(len(times), 50.0), 8.0, RED))
    image = find_background(clip.frames).image
    assert np.abs(image[96 - 50, 64] - WALL).max() < 20.0


def test_drifting_light_is_no_difference():
    frames = np.repeat(wall()[None], 12, axis=0) + np.linspace(0, 10, 12)[:, None, None, None]
    clip = frames.astype(np.uint8)
    assert np.abs(find_background(clip).difference(clip)).max() < 2.0


def test_a_fainter_thing_counts_when_asked_for():
    clip = paint((np.full(12, 30.0), np.full(12, 50.0), 5.0, RED), fps=FPS)
    usual, keen = (find_background(clip.frames, sensitivity=s) for s in (1.0, 2.0))
    assert keen.contrast == usual.contrast / 2


def test_one_frame_is_its_own_background():
    frames = wall()[None].astype(np.uint8)
    background = find_background(frames)
    assert np.array_equal(background.image, frames[0].astype(np.float32))
