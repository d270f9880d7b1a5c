"""Controls and rules on a made-up pool, and what an arm can see."""

import pytest
from made_up import SCENE, case, pool, values_of

from benchmarks.world.arms import ARMS
from benchmarks.world.arms.registry import arm
from benchmarks.world.evaluating import Setup, drawn, means, subset


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("plain description", 32.0),
        ("one sample", 40.0),
        ("random", 40.0),
        ("random in the moving half", 60.0),
        ("most motion", 40.0),
        ("least motion", 10.0),
        ("judge's pick", 30.0),
        ("critic's pick", 40.0),
        ("oracle (GROUND TRUTH)", 80.0),
    ],
)
def test_controls(name, score):
    assert values_of(name)["score"] == score


def test_costs_are_counted():
    judge, single = values_of("judge's pick"), values_of("one sample")
    assert (judge["clips"], judge["chunks"], judge["calls"]) == (4, 20, 4)
    assert (single["clips"], single["chunks"], single["calls"]) == (1, 5, 0)


def test_rank_correlation_with_the_truth():
    # Motion ranks 0, 3, 1, 2 against true ranks 0, 2, 1, 3: rho = 1 - 6 * 2 / (4 * 15).
    assert values_of("most motion")["rank_correlation"] == pytest.approx(0.8)
    assert values_of("least motion")["rank_correlation"] == pytest.approx(-0.8)


def test_truth_is_hidden_from_every_arm_that_is_not_stamped():
    assert all(row.truth is None for rows in case().pool.rows.values() for row in rows)
    assert [name for name, found in ARMS.items() if found.truth] == [
        "oracle (GROUND TRUTH)",
        "true caption, held-out wording (GROUND TRUTH)",
    ]


def test_draws_are_the_same_for_every_arm_and_differ_by_draw():
    setup = Setup(root=None, size=16)
    assert drawn(setup, SCENE, 4, 0) == drawn(setup, SCENE, 4, 0)
    assert len({tuple(drawn(setup, SCENE, 4, draw)) for draw in range(12)}) > 6
    assert drawn(setup, SCENE, 16, 3) == list(range(16))
    with pytest.raises(SystemExit, match="has 16"):
        drawn(setup, SCENE, 17, 0)


def test_a_subset_is_the_same_in_every_prompt():
    rows = subset(pool(), [1, 3]).rows
    assert [row.seed for row in rows["plain"]] == [row.seed for row in rows["all_cues"]] == [1, 3]


def test_values_that_no_draw_has_are_left_out():
    nan = float("nan")
    assert means([{"a": 1.0, "b": nan}, {"a": nan, "b": nan}]) == {"a": 1.0}


def test_two_arms_cannot_share_a_name():
    with pytest.raises(ValueError, match="two arms"):
        arm("random")(lambda case: None)
