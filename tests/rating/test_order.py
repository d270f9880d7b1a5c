"""Sides, orders and repetitions."""

import itertools
import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from phyrefine.rating.order import APART, balanced, plan

NAMES = [f"c{index}" for index in range(6)]
PAIRS = list(itertools.combinations(NAMES, 2))
SAME = {name: name for name in NAMES}


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=60), st.integers(0, 99))
def test_every_name_is_as_often_left_as_right(edges, seed):
    named = [(f"n{a}", f"n{b}") for a, b in edges]
    sides = balanced(named, random.Random(seed))
    left = Counter(a if first else b for (a, b), first in zip(named, sides, strict=True))
    right = Counter(b if first else a for (a, b), first in zip(named, sides, strict=True))
    for name in set(left) | set(right):
        assert abs(left[name] - right[name]) <= 1


def test_two_contestants_in_many_scenes_change_sides_evenly():
    pairs = [(f"a{scene}", f"b{scene}") for scene in range(10)]
    stands_for = {name: name[0] for pair in pairs for name in pair}
    trials = plan(pairs, stands_for, seed=1, rater=0, repeat=0)
    assert Counter(stands_for[trial.left] for trial in trials) == {"a": 5, "b": 5}
    assert (
        len({stands_for[trial.left] for trial in trials[:5]}) == 2
    )  # not one half, then the other


def test_the_next_person_sees_every_pair_mirrored_in_another_order():
    one, two = (plan(PAIRS, SAME, seed=3, rater=rater, repeat=0) for rater in (0, 1))
    assert {(t.left, t.right) for t in one} == {(t.right, t.left) for t in two}
    assert [{t.left, t.right} for t in one] != [{t.left, t.right} for t in two]
    assert one == plan(PAIRS, SAME, seed=3, rater=0, repeat=0)
    assert one != plan(PAIRS, SAME, seed=4, rater=0, repeat=0)


def test_repetitions_are_mirrored_and_far_from_their_first_showing():
    trials = plan(PAIRS, SAME, seed=0, rater=0, repeat=0.3)
    repeated = [trial for trial in trials if trial.repeats is not None]
    assert len(trials) == len(PAIRS) + len(repeated)
    assert len(repeated) == round(0.3 * len(PAIRS))
    for trial in repeated:
        first = trials[trial.repeats]
        assert (first.left, first.right) == (trial.right, trial.left)
        assert trial.number - first.number >= APART
    assert [trial.number for trial in trials] == list(range(len(trials)))


def test_a_few_pairs_are_not_repeated_at_once():
    assert all(t.repeats is None for t in plan(PAIRS[:3], SAME, seed=0, rater=0, repeat=1.0))
