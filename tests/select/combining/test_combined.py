import pytest
from attrs import frozen
from pools import attempts, ball, pool, scene, still

from phyrefine.errors import InvalidInputError
from phyrefine.select.agreement.consensus import Consensus
from phyrefine.select.combining.combined import Combined
from phyrefine.select.combining.controls import controls, with_controls
from phyrefine.select.combining.guard import MotionGuard
from phyrefine.select.combining.halving import Halving, better_half
from phyrefine.select.combining.ranks import first_by_ranks, mean_ranks, rank_sums
from phyrefine.serialize import canonical, from_json, to_json
from phyrefine.types import (
    Attempt,
    Candidate,
    Choice,
    Critique,
    Pick,
    PoolScores,
    Prompt,
    Scenario,
    Violation,
)

NAN = float("nan")


@frozen
class Says:
    """A scorer that says what it is told, for the clips it is asked about."""

    name: str
    scores: tuple[float, ...]
    notes: tuple[str, ...] = ()

    def score_pool(self, asked):
        by_key = {f"0.{i}": score for i, score in enumerate(self.scores)}
        return PoolScores({key: by_key[key] for key in asked.keys}, self.notes)


MOVING = [ball(row=10), ball(row=20), ball(row=30), ball(row=40)]


def choose(rule, clips=MOVING, scenario=None):
    return rule.choose(scenario or scene(), attempts(*clips))


# -- ranks ---------------------------------------------------------------------------------------


def test_ranks_share_ties_and_give_no_opinion_the_middle():
    keys = ("a", "b", "c", "d")
    assert mean_ranks({"a": 5, "b": 7, "c": 5, "d": 1}, keys) == {
        "a": 2.5,
        "b": 1,
        "c": 2.5,
        "d": 4,
    }
    assert mean_ranks({"a": 5, "b": NAN, "d": 1}, keys) == {"a": 1, "b": 1.5, "c": 1.5, "d": 2}
    assert set(mean_ranks({}, keys).values()) == {2.5}


def test_rank_sums_are_free_of_units_and_weighted():
    keys = ("a", "b", "c")
    one, other = {"a": 3, "b": 2, "c": 1}, {"a": 1e6, "b": 3e6, "c": 2e6}
    assert rank_sums([one, other], (1, 1), keys) == {"a": 2.0, "b": 1.5, "c": 2.5}
    assert rank_sums([one, other], (3, 1), keys) == {"a": 1.5, "b": 1.75, "c": 2.75}


def test_a_tie_goes_to_the_lower_best_rank_then_to_the_earlier():
    keys = ("a", "b", "c")
    assert first_by_ranks([{"a": 2, "b": 3, "c": 1}, {"a": 2, "b": 1, "c": 3}], (1, 1), keys) == "b"
    assert first_by_ranks([{"a": 1, "b": 1, "c": 1}], (1,), keys) == "a"


# -- the guard -----------------------------------------------------------------------------------


def test_the_guard_removes_what_stands_still_and_what_hardly_moves():
    slow = ball(row=20, speed=0.25)
    left = MotionGuard(0.5).apply(pool(*MOVING, slow, still()))
    assert left.kept == ("0.0", "0.1", "0.2", "0.3")
    assert left.removed == ("0.4", "0.5")
    assert "0.4, 0.5" in left.reason
    assert MotionGuard(0.0).apply(pool(*MOVING, slow, still())).removed == ("0.5",)


def test_frozen_clips_never_set_the_measure_however_many_there_are():
    frozen_ones = [still(row=r) for r in (8, 20, 30, 40)]
    left = MotionGuard().apply(pool(*frozen_ones, ball(row=10), ball(row=20)))
    assert left.kept == ("0.4", "0.5")
    choice = choose(Combined((Says("odd", (9, 9, 9, 9, 1, 2)),)), [*frozen_ones, *MOVING[:2]])
    assert choice.pick == Pick(0, 5)


def test_where_the_prefix_stands_still_standing_still_may_be_right():
    resting = Scenario("A square rests.", still(), seconds=2.0, fps=8.0, size=(48, 64))
    left = MotionGuard().apply(pool(*MOVING, still(row=30), scenario=resting))
    assert left.removed == ()
    assert left.prefix < 0.1
    one_frame = Scenario("x", type(still())(still().frames[:1], 8.0), fps=8.0)
    assert MotionGuard().apply(pool(*MOVING, still(), scenario=one_frame)).removed == ("0.4",)


def test_where_nothing_moves_nothing_is_removed():
    left = MotionGuard().apply(pool(still(), still(row=30)))
    assert left.kept == ("0.0", "0.1")
    assert left.reason == ""


def test_the_motion_of_prefix_pool_and_clip_is_told():
    words = MotionGuard().apply(pool(*MOVING)).motion_in_words("0.1")
    assert words.startswith("motion in gray levels: prefix ")
    assert "pool's median" in words
    assert "this clip" in words


# -- combining -----------------------------------------------------------------------------------


def test_one_scorer_keeps_its_own_scores():
    choice = choose(Combined((Says("mine", (1.0, 4.0, 2.0, NAN)),)))
    assert choice.pick == Pick(0, 1)
    assert choice.selector == "mine"
    assert choice.scores == {"0.0": 1.0, "0.1": 4.0, "0.2": 2.0, "0.3": 2.0}
    assert choice.parts == {"mine": {"0.0": 1.0, "0.1": 4.0, "0.2": 2.0}}
    assert "highest mine score, 4," in choice.reason


def test_several_scorers_sum_their_ranks_within_the_guard():
    one = Says("one", (4, 3, 2, 1, 99))
    other = Says("other", (1, 3, 4, 2, 99), notes=("a note",))
    choice = choose(Combined((one, other)), [*MOVING, still()])
    assert choice.selector == "one+other"
    assert choice.pick == Pick(0, 2)  # ranks 3 + 1 beside 2 + 2: the lower best rank
    assert choice.scores == {"0.0": -2.5, "0.1": -2.0, "0.2": -2.0, "0.3": -3.5, "0.4": -4.5}
    assert "left out because they move too little: 0.4" in choice.reason
    assert "other: a note" in choice.reason
    assert choice.parts["one"] == {"0.0": 4, "0.1": 3, "0.2": 2, "0.3": 1}
    heavy = choose(Combined((one, other), (3, 1)), [*MOVING, still()])
    assert heavy.pick == Pick(0, 0)


def test_a_pool_without_any_opinion_is_decided_openly():
    choice = choose(Combined((Consensus(),)), [still(), still(row=30)])
    assert choice.pick == Pick(0, 0)
    assert choice.scores == {}
    assert "no opinion of any" in choice.reason
    assert "nothing moves" in choice.reason


@pytest.mark.parametrize("weights", [(1,), (1, 0), (1, -2), (1, NAN)])
def test_weights_must_fit(weights):
    with pytest.raises(InvalidInputError, match="one weight above 0"):
        Combined((Consensus(), Says("x", ())), weights)


def test_choices_survive_json():
    choice = choose(Combined((Says("mine", (1.0, NAN, 2.0, 0.0)), Consensus())))
    choice = with_controls(choice, scene(), attempts(*MOVING))
    value = to_json(choice)
    canonical(value)  # refuses NaN
    assert from_json(value, Choice) == choice


def test_where_scorers_cannot_tell_the_critics_verdicts_do():
    bad = Critique("", (Violation("a", "b", severity=0.9, confidence=0.9),))
    clean = Critique("", ())
    made = [
        Attempt(0, Prompt("p"), (Candidate(MOVING[0]),), bad, baseline=True),
        Attempt(1, Prompt("p"), (Candidate(MOVING[1]),), clean),
    ]
    pair = Combined((Consensus(),)).choose(scene(), made)  # two clips agree equally
    assert pair.pick == Pick(1)
    made.reverse()
    assert Combined((Consensus(),)).choose(scene(), made).pick == Pick(0)


# -- halving -------------------------------------------------------------------------------------


def test_each_round_keeps_the_better_half():
    assert better_half(("a", "b", "c"), PoolScores({"a": 1, "b": 3, "c": 2})) == ("b", "c")
    assert better_half(("a", "b"), PoolScores({"a": NAN, "b": NAN})) == ("a",)
    cheap, dear = Says("cheap", (4, 3, 2, 1)), Says("dear", (1, 2, 9, 9))
    choice = choose(Halving((cheap, dear)))
    assert choice.pick == Pick(0, 1)
    assert choice.selector == "cheap>dear"
    assert choice.parts["dear"] == {"0.0": 1, "0.1": 2}
    assert choice.scores["0.2"] < choice.scores["0.0"] < choice.scores["0.1"]


def test_where_the_last_scorer_has_no_opinion_the_one_before_decides():
    silent = Says("silent", (NAN, NAN, NAN, NAN), notes=("nobody answered",))
    choice = choose(Halving((Says("cheap", (1, 2, 4, 3)), silent)))
    assert choice.pick == Pick(0, 2)
    assert choice.selector == "cheap>silent"
    assert "silent: nobody answered" in choice.reason
    assert choice.scores["0.2"] == max(choice.scores.values())
    assert choose(Halving((silent, silent))).pick == Pick(0, 0)


# -- controls ------------------------------------------------------------------------------------


def test_controls_stand_beside_a_choice():
    clips = [still(), ball(speed=0.7), ball(speed=3.0), ball(row=30, speed=2.5)]
    found = controls(pool(*clips))
    assert found["most motion"] == "0.2"
    assert found["least motion"] == "0.0"
    assert found["random inside the guard"] in ("0.2", "0.3")
    assert controls(pool(*clips)) == found
    drawn = {controls(pool(*clips, scenario=Scenario(f"{n}")))["random"] for n in range(40)}
    assert drawn == {"0.0", "0.1", "0.2", "0.3"}
    alone = Choice(Pick(0, 0), "x", "y")
    assert with_controls(alone, scene(), attempts(ball())) is alone
    assert with_controls(alone, scene(), attempts(*clips)).controls == controls(pool(*clips))
