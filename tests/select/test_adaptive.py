import numpy as np
import pytest
from attrs import frozen
from pools import ball, pool

from phyrefine.errors import InvalidInputError
from phyrefine.select.adaptive import StopEarly, expected_improvement, stop_early
from phyrefine.select.agreement.consensus import Consensus
from phyrefine.select.combining.combined import Combined
from phyrefine.select.combining.halving import Halving
from phyrefine.select.scorers.each import EachClip
from phyrefine.select.scorers.judge import Judge, JudgeEnsemble
from phyrefine.select.scorers.motion import MotionAmount
from phyrefine.select.scorers.tournament import Tournament
from phyrefine.select.simple import Last
from phyrefine.testing import ScriptedAsker
from phyrefine.types import PoolScores

CLIPS = [ball(row=10 + 3 * n) for n in range(8)]


@frozen
class Fixed:
    scores: tuple[float, ...]
    noise: float | None = None
    name: str = "fixed"

    def score_pool(self, asked):
        return PoolScores(dict(zip(asked.keys, self.scores, strict=False)), noise=self.noise)


def decide(count, scores, noise=None, **rest):
    return StopEarly(Fixed(scores, noise), **rest).decide(pool(*CLIPS[:count]))


def test_expected_improvement_is_that_of_one_more_draw():
    scores = [1.0, 2.0, 4.0, 3.0]
    draws = np.random.default_rng(0).normal(2.5, np.std(scores, ddof=1), 400_000)
    expected = np.maximum(draws - 4.0, 0).mean()
    assert expected_improvement(scores) == pytest.approx(expected, rel=0.02)
    assert expected_improvement(scores, 0.5) < expected_improvement(scores)
    assert expected_improvement(scores, 2.0) == 0.0


def test_it_stops_when_the_leader_is_beyond_the_noise():
    assert not decide(3, (1, 2, 3)).stop  # never before four
    assert not decide(4, (1.0, 1.2, 0.9, 1.1)).stop
    clear = decide(5, (1, 1.1, 1, 1.1, 3), noise=0.2)
    assert clear.stop
    assert "after 5 clips another clip is expected to gain" in clear.reason
    assert not decide(5, (1, 1.1, 1, 1.1, 3), noise=0.01).stop


def test_a_scorer_that_sees_no_difference_stops_and_says_so():
    verdict = decide(4, (1.0, 1.1, 0.9, 1.0), noise=0.5)
    assert verdict.stop
    assert "cannot tell 4 clips apart" in verdict.reason


def test_a_price_stops_too_and_no_opinion_does_not():
    assert decide(4, (1.0, 2.0, 3.0, 2.0), price=0.5).stop
    assert not decide(4, (1.0, 2.0, 3.0, 2.0), price=0.02).stop
    assert not decide(4, (float("nan"),) * 4).stop


def test_only_clips_that_move_count():
    clips = [*CLIPS[:4], ball(speed=0.0)]
    scorer = StopEarly(Fixed((1.0, 1.2, 0.9, 1.1, 99.0)))
    assert not scorer.decide(pool(*clips)).stop


def test_a_rule_stops_by_its_first_scorer():
    judge = Judge(ScriptedAsker(["x"]))
    both = Combined((Consensus(), EachClip(judge)))
    assert stop_early(both).scorer == Consensus()
    assert stop_early(Halving((MotionAmount(1), Consensus()))).scorer == MotionAmount(1)
    assert stop_early(JudgeEnsemble(judge)).scorer == EachClip(judge)
    assert isinstance(stop_early(Tournament(judge.vlm)).scorer, Tournament)
    with pytest.raises(InvalidInputError, match="Last scores no clips"):
        stop_early(Last())
