"""Intervals of the experiments on the embedded world, against hand-computed cases."""

import pytest

from benchmarks.world import table
from benchmarks.world.records import Record
from benchmarks.world.statistics import difference, interval


def test_two_scenes_have_three_means():
    # Resampling {1, 3} gives means 1, 2 and 3 with chances 1/4, 1/2, 1/4.
    found = interval({7: 1.0, 8: 3.0})
    assert (found.mean, found.low, found.high, found.scenes) == (2.0, 1.0, 3.0, 2)


def test_a_difference_is_paired_by_scene():
    # The scenes differ by 80 points, the arms by 2 in each: the interval has no width.
    one, other = {1: 12.0, 2: 52.0, 3: 92.0}, {1: 10.0, 2: 50.0, 3: 90.0}
    found = difference(one, other)
    assert (found.mean, found.low, found.high) == (2.0, 2.0, 2.0)


def test_scenes_without_a_partner_are_left_out():
    found = difference({1: 5.0, 2: 100.0}, {1: 3.0, 9: -50.0})
    assert (found.mean, found.scenes) == (2.0, 1)


def test_the_order_of_scenes_changes_nothing():
    values = {3: 1.0, 1: 5.0, 2: 7.5}
    assert interval(values) == interval(dict(sorted(values.items())))


def test_no_scene_is_an_error():
    with pytest.raises(ValueError, match="No scene"):
        interval({})


def test_differences_from_any_arm_are_told():
    records = [
        Record(scene, "drop", "v", "g", "p", arm, 4, {"score": score + scene, "wrong": 0.0})
        for scene in (1, 2, 3)
        for arm, score in (("first", 10.0), ("search", 12.0))
    ]
    told = table.tables(records, ("first",))
    rows = {row["arm"]: row for row in told[0]["rows"]}
    assert rows["search"]["against first"]["mean"] == 2.0
    assert "against first" in table.markdown(told)
    assert "+2.0 [2.0, 2.0]" in table.markdown(told)
    assert "against one sample" not in table.markdown(told)
