"""Things get the names the description gives them, by colour first."""

import numpy as np
import pytest
from filmed import BLUE, FLOOR, GREEN, RED, examine, paint, seconds

TIMES = seconds(2.0)
LOW = np.full(len(TIMES), FLOOR + 5.0)


def names(clip, description=""):
    return [motion.name for motion in examine(clip, description=description).motions]


def test_named_objects_go_to_the_nearest_colour():
    clip = paint((20 + 20 * TIMES, LOW, 5.0, RED), (110 - 15 * TIMES, LOW + 30, 7.0, BLUE))
    assert names(clip, "A red marble and a blue puck.") == ["the blue puck", "the red marble"]


def test_what_is_not_named_goes_by_its_looks():
    clip = paint((20 + 20 * TIMES, LOW, 5.0, GREEN))
    assert names(clip) == ["the green ball"]
    assert names(clip, "A stone flies.") == ["the stone"]


def test_a_bar_is_no_ball():
    bar = [(20 + 20 * TIMES + shift, LOW, 3.0, RED) for shift in range(0, 20, 2)]
    assert names(paint(*bar)) == ["the red object"]


def test_specks_and_things_at_rest_do_not_matter():
    speck = (60 + 4 * TIMES, LOW + 40, 1.6, BLUE)
    rest = (np.full(len(TIMES), 100.0), LOW, 5.0, GREEN)
    assert names(paint((20 + 20 * TIMES, LOW, 8.0, RED), speck, rest)) == ["the red ball"]


def test_times_and_seam():
    case = examine(paint((20 + 20 * TIMES, LOW, 5.0, RED)), 1.25)
    assert case.seam == 20
    assert case.seam_time == pytest.approx(1.25)
    assert case.step == pytest.approx(1 / 16)
    assert examine(paint((20 + 20 * TIMES, LOW, 5.0, RED)), 9.0).seam == len(TIMES)
