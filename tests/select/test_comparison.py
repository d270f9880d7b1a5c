import pytest
from attrs import frozen
from pools import attempts, ball, pool, scene, still

from phyrefine.select.combining.combined import Combined
from phyrefine.select.comparison import ORACLE, CountedVLM, agreement_with, compare, judge_pool
from phyrefine.select.scorers.each import EachClip
from phyrefine.select.scorers.judge import Judge
from phyrefine.testing import ScriptedAsker
from phyrefine.types import PoolScores

CLIPS = [
    ball(row=20, speed=speed, radius=radius)
    for speed, radius in ((0.25, 4), (2.0, 5), (3.0, 6), (2.5, 5))
]


@frozen
class Says:
    scores: tuple[float, ...]
    name: str = "says"

    def score_pool(self, asked):
        return PoolScores({key: self.scores[int(key[2:])] for key in asked.keys})


def rows(truth, scores=(1, 2, 3, 4), vlm=None):
    counted = CountedVLM(vlm or ScriptedAsker(['{"score": 5, "reason": ""}']))
    rules = {"mine": Combined((Says(scores),)), "judge": Combined((EachClip(Judge(counted)),))}
    found = judge_pool(scene(), attempts(*CLIPS), rules, counted)
    return {row.rule: row for row in compare([found], [4], [truth])}


def test_gain_share_and_rank_correlation():
    found = rows({"0.0": 10.0, "0.1": 20.0, "0.2": 30.0, "0.3": 40.0})
    mine = found["mine"]
    assert mine.gain == pytest.approx(15.0)
    assert mine.share == pytest.approx(1.0)
    # the guard left the slowest out, which has the lowest score all the same
    assert mine.truth_correlation == pytest.approx(1.0)
    assert mine.useful
    assert found[ORACLE].gain == pytest.approx(15.0)
    assert found["random"].gain == pytest.approx(0.0)
    assert found["most motion"].gain == pytest.approx(5.0)
    assert found["least motion"].gain == pytest.approx(-15.0)
    assert found["random inside the guard"].gain == pytest.approx(5.0)
    assert found["judge"].truth_correlation is not None
    assert found["most motion"].useful is None


def test_a_rule_that_gains_no_more_than_a_control_is_not_useful():
    found = rows({"0.0": 10.0, "0.1": 20.0, "0.2": 40.0, "0.3": 30.0})
    assert found["most motion"].gain == pytest.approx(15.0)
    assert found["mine"].gain == pytest.approx(5.0)
    assert found["mine"].useful is False
    assert found["mine"].share == pytest.approx(1 / 3)


def test_questions_are_counted_per_clip_and_free_rules_cost_none():
    found = rows(None)
    assert found["judge"].questions == pytest.approx(3 / 4)  # the guard left three of four
    assert found["mine"].questions == 0
    assert found["mine"].seconds > 0


def test_without_truth_there_is_agreement_among_rules_only():
    found = rows(None)
    assert ORACLE not in found
    assert {row.gain for row in found.values()} == {None}
    assert {row.useful for row in found.values()} == {None}
    counted = CountedVLM(ScriptedAsker(["x"]))
    rules = {"one": Combined((Says((1, 2, 3, 4)),)), "other": Combined((Says((1, 4, 3, 2)),))}
    both = compare([judge_pool(scene(), attempts(*CLIPS), rules, counted)], [4], [None])
    assert both[0].other_correlation == both[1].other_correlation
    assert -1 < both[0].other_correlation < 1


def test_agreement_with_a_true_take_is_the_benchmarks():
    found = agreement_with(pool(*CLIPS, still()), CLIPS[2])
    assert found["0.2"] == pytest.approx(100.0)
    assert found["0.4"] < found["0.0"] < found["0.1"] < found["0.3"] < 100
    assert agreement_with(pool(still(row=30)), still())["0.0"] == 0.0
