"""What is under, ahead of and beside a thing."""

import numpy as np
import pytest
from filmed import BLUE, FLOOR, RED, examine, paint, seconds, wall

TIMES = seconds(2.0)
HERE = np.full(len(TIMES), 50.0)


def case(*things, image=None):
    return examine(paint(*things, image=image))


def test_the_floor_is_found_to_a_pixel_and_only_where_there_is_one():
    moving = (20 + 30 * TIMES, HERE, 5.0, RED)
    assert case(moving).floor == pytest.approx(FLOOR, abs=1.0)
    assert case(moving, image=wall(floor=30)).floor == pytest.approx(30.0, abs=1.0)
    assert case(moving, image=wall(floor=0)).floor is None


def test_a_thing_is_supported_on_the_floor_and_not_in_the_air():
    lying = case((20 + 30 * TIMES, np.full(len(TIMES), FLOOR + 5.0), 5.0, RED))
    flying = case((20 + 30 * TIMES, HERE, 5.0, RED))
    assert lying.around.supported(lying.motions[0].track, 20)
    assert not flying.around.supported(flying.motions[0].track, 20)


def test_a_thing_on_another_is_supported():
    both = case((20 + 30 * TIMES, HERE, 5.0, RED), (20 + 30 * TIMES, HERE - 12, 5.0, BLUE))
    upper = next(m for m in both.motions if np.nanmean(m.track.up) > 45)
    assert both.around.supported(upper.track, 20)


def test_a_wall_ahead_explains_a_stop():
    image = wall()
    image[:, 90:] = (60, 60, 60)
    x = np.minimum(30 + 50 * TIMES, 84.0)
    stopped = int(np.argmax(x >= 84.0))
    blocked = case((x, HERE, 5.0, RED), image=image)
    free = case((x, HERE, 5.0, RED))
    speed = np.array([50.0, 0.0])
    assert blocked.around.met(blocked.motions[0].track, stopped, speed)
    assert not free.around.met(free.motions[0].track, stopped, speed)


def test_the_edge_of_the_picture_blocks():
    inside = case((20 + 30 * TIMES, HERE, 5.0, RED))
    assert inside.around.blocked(3.0, 50.0, 5.0, (-1.0, 0.0))
    assert not inside.around.blocked(40.0, 50.0, 5.0, (-1.0, 0.0))


def test_a_small_distance_grows_with_the_picture():
    small = case((20 + 30 * TIMES, HERE, 5.0, RED))
    large = case((40 + 60 * TIMES, 2 * HERE, 10.0, RED), image=wall(size=(192, 256)))
    assert small.unit == pytest.approx(2.0)
    assert large.unit == pytest.approx(4.0)
