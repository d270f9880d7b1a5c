import json
import re

import numpy as np
import pytest
from pools import attempts, ball, pool, scene

from phyrefine.adapt import FunctionAsker
from phyrefine.errors import RefusedError
from phyrefine.select.scorers.each import EachClip
from phyrefine.select.scorers.judge import Judge, JudgeEnsemble
from phyrefine.select.scorers.severity import Severity
from phyrefine.select.scorers.strengths import bradley_terry, copeland
from phyrefine.select.scorers.tournament import Tournament
from phyrefine.testing import ScriptedAsker
from phyrefine.types import Attempt, Candidate, Critique, Pool, Prompt, Violation

CLIPS = [ball(row=row) for row in (10, 20, 30, 40)]
WINS = [[0, 2, 1], [0, 0, 1.5], [1, 0.5, 0]]


def test_bradley_terry_strengths():
    found = bradley_terry(WINS)
    assert found.log == pytest.approx([0.4621, -0.23105, -0.23105], abs=1e-4)
    assert found.log.sum() == pytest.approx(0.0)
    assert not found.separable


def test_strengths_maximize_the_likelihood():
    rng = np.random.default_rng(5)
    wins = rng.integers(0, 5, (5, 5)).astype(float)
    best = bradley_terry(wins, virtual=0.5).log

    def likelihood(log):
        p = np.exp(log)
        won = wins + 0.5
        np.fill_diagonal(won, 0.0)
        return (won * np.log(p[:, None] / (p[:, None] + p[None, :]))).sum()

    for _ in range(50):
        assert likelihood(best + rng.normal(0, 0.05, 5)) < likelihood(best) + 1e-9


def test_standard_errors_shrink_with_the_square_root_of_the_pairs():
    few, many = bradley_terry(WINS, 0.0), bradley_terry(100 * np.array(WINS), 0.0)
    assert few.errors / many.errors == pytest.approx(10.0, rel=1e-3)
    assert many.separable


def test_an_unbeaten_clip_stays_finite():
    wins = np.triu(np.full((4, 4), 2.0), 1)
    found = bradley_terry(wins)
    assert np.isfinite(found.log).all()
    assert found.log.argmax() == 0
    assert copeland(wins).tolist() == [3, 1, -1, -3]


def prefers(order):
    """A VLM that prefers the lower ball in both orders, or always the same place."""

    def ask(question):
        if order != "lower":
            return json.dumps({"winner": order, "reason": ""})
        rows = [np.argmax(shown.frames[-1].mean(axis=(1, 2))) for shown in question.clips]
        return json.dumps({"winner": "A" if rows[0] > rows[1] else "B", "reason": ""})

    return FunctionAsker(ask)


def test_strengths_order_the_clips():
    choice = Tournament(prefers("lower"), "bradley_terry").choose(scene(), attempts(*CLIPS))
    assert choice.selector == "bradley_terry"
    assert sorted(choice.scores, key=choice.scores.get) == ["0.0", "0.1", "0.2", "0.3"]
    assert "cannot be told apart" in choice.reason
    assert choice.noise > 0.3


def test_a_judge_that_follows_the_order_is_named_unreliable():
    for strengths in ("copeland", "bradley_terry"):
        said = Tournament(prefers("A"), strengths).score_pool(pool(*CLIPS))
        assert list(said.values.values()) == pytest.approx([0.0] * 4, abs=1e-9)
        assert "named the video shown first in 12 of 12" in said.notes[0]
    three = Tournament(prefers("A")).score_pool(pool(*CLIPS[:3]))
    assert three.notes == ()  # six questions say nothing of a judge
    even = Tournament(prefers("lower")).score_pool(pool(*CLIPS))
    assert even.notes == ()


def test_a_judge_without_an_answer_has_no_opinion_of_that_clip_only():
    replies = [RefusedError("no"), '{"score": 4, "reason": ""}', '{"score": 6, "reason": ""}']
    said = EachClip(Judge(ScriptedAsker(replies))).score_pool(pool(*CLIPS[:3]))
    assert np.isnan(said.values["0.0"])
    assert (said.values["0.1"], said.values["0.2"]) == (4.0, 6.0)
    assert re.search(r"no opinion of 0\.0 \(.*no", said.notes[0])
    assert said.noise is None


def test_the_judges_noise_is_that_of_its_mean():
    replies = [f'{{"score": {score}, "reason": ""}}' for score in (4, 6, 5, 7)]
    said = EachClip(Judge(ScriptedAsker(replies), repeats=2)).score_pool(pool(*CLIPS[:2]))
    assert said.values == {"0.0": 5.0, "0.1": 6.0}
    assert said.noise == pytest.approx(1.0)  # standard deviation sqrt(2), of a mean of two


def test_the_critics_verdicts_as_scores():
    bad = Critique("", (Violation("a", "b", severity=0.8, confidence=0.5),))
    still = Critique("", (), still=True)
    made = [
        Attempt(1, Prompt("p"), (Candidate(CLIPS[0]), Candidate(CLIPS[1])), bad),
        Attempt(2, Prompt("p"), (Candidate(CLIPS[2]),), still),
        Attempt(3, Prompt("p"), (Candidate(CLIPS[3]),), None),
    ]
    values = Severity().score_pool(Pool.of(scene(), made)).values
    assert values["0.0"] == pytest.approx(-0.4)
    assert values["1.0"] == -100.0
    assert np.isnan([values["0.1"], values["2.0"]]).all()


def test_a_clip_that_the_judge_refuses_does_not_compete():
    replies = [RefusedError("no"), '{"score": 4, "reason": ""}', '{"score": 6, "reason": ""}']
    choice = JudgeEnsemble(Judge(ScriptedAsker(replies))).choose(scene(), attempts(*CLIPS[:3]))
    assert choice.scores == {"0.1": 4.0, "0.2": 6.0}
    assert choice.pick.candidate == 2
    assert "no opinion of 0.0" in choice.reason
    with pytest.raises(RefusedError):
        JudgeEnsemble(Judge(ScriptedAsker(replies[:1]))).choose(scene(), attempts(*CLIPS[:2]))
