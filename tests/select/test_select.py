import json
import math

import numpy as np
import pytest

from phyrefine.errors import InvalidInputError, RefusedError
from phyrefine.select.diagnostics import diagnose, rank_correlation
from phyrefine.select.models import with_models
from phyrefine.select.named import NAMES, ensemble
from phyrefine.select.oracle import Oracle
from phyrefine.select.pool import entries
from phyrefine.select.scorers.judge import Judge, JudgeEnsemble
from phyrefine.select.scorers.tournament import Tournament
from phyrefine.select.simple import CriticsPick, Last, RandomPick
from phyrefine.testing import ScriptedAsker, moving_clip
from phyrefine.types import Attempt, Candidate, Critique, Pick, Prompt, Scenario, Violation
from phyrefine.video.clip import Clip

SCENE = Scenario("A dot moves.", moving_clip(8), seconds=1.0)


def clip(level):
    """A clip whose mean brightness is its quality, so that scorers can read it."""
    return Clip(np.full((4, 16, 16, 3), level, np.uint8), 4.0)


def attempts(*levels, critiques=None):
    critiques = critiques or [None] * len(levels)
    return [
        Attempt(index, Prompt(f"p{index}"), (Candidate(clip(level)),), critique,
                baseline=index == 0)
        for index, (level, critique) in enumerate(zip(levels, critiques, strict=True))
    ]  # fmt: skip


def brightness_judge():
    def ask(question):
        return json.dumps(
            {"score": float(question.clips[0].frames[-1].mean()) / 25.5, "reason": ""}
        )

    from phyrefine.adapt import FunctionAsker

    return FunctionAsker(ask)


def test_the_pool_is_every_candidate_in_order():
    two = Attempt(1, Prompt("p"), (Candidate(clip(1), seed=0), Candidate(clip(2), seed=5, steps=8)))
    pool = entries([*attempts(9), two])
    assert [entry.key for entry in pool] == ["0.0", "1.0", "1.1"]
    assert pool[0].name == "the plain description (seed 0)"
    assert pool[2].name == "loop 1 (seed 5, 8 steps)"
    with pytest.raises(InvalidInputError, match="no clip"):
        entries([])


def test_last_is_the_last_attempts_critics_clip():
    two = Attempt(1, Prompt("p"), (Candidate(clip(1)), Candidate(clip(2), seed=5)))
    assert Last().choose(SCENE, [*attempts(9), two]).pick == Pick(1, 0)


def test_critics_pick_takes_the_least_wrong():
    mild = Critique("", (Violation("a", "b", severity=0.2, confidence=0.5),))
    bad = Critique("", (Violation("a", "b", severity=0.9, confidence=0.9),))
    still = Critique("", (), still=True)
    choice = CriticsPick().choose(SCENE, attempts(1, 2, 3, critiques=[bad, mild, still]))
    assert choice.pick == Pick(1)
    assert choice.scores["1.0"] == pytest.approx(-0.1)
    assert CriticsPick().choose(SCENE, attempts(1, 2)).pick == Pick(1)  # nothing judged: the last


def test_ties_go_to_the_earlier_clip():
    same = Critique("", ())
    assert CriticsPick().choose(SCENE, attempts(1, 2, critiques=[same, same])).pick == Pick(0)


def test_judge_scores_every_clip_and_keeps_the_best_even_if_it_is_the_baseline():
    choice = JudgeEnsemble(Judge(brightness_judge())).choose(SCENE, attempts(200, 100, 150))
    assert choice.pick == Pick(0)
    assert choice.scores["2.0"] == pytest.approx(150 / 25.5)
    assert not choice.oracle
    assert choice.noise is None


def test_judge_repeats_measure_noise_and_within_it_the_earlier_clip_stays():
    said = iter([5, 6, 5.4, 6.4, 9, 9])
    vlm = ScriptedAsker([json.dumps({"score": score, "reason": ""}) for score in said])
    choice = JudgeEnsemble(Judge(vlm, repeats=2)).choose(SCENE, attempts(1, 2, 3))
    assert choice.noise == pytest.approx(math.sqrt(0.5) * 2 / 3)
    assert choice.pick == Pick(2)  # 9 beats 5.5 by more than the noise; 5.9 would not
    assert [question.sample for question in vlm.asked] == [0, 1] * 3
    near = ScriptedAsker([json.dumps({"score": s, "reason": ""}) for s in (5, 6, 5.4, 6.4)])
    assert JudgeEnsemble(Judge(near, repeats=2)).choose(SCENE, attempts(1, 2)).pick == Pick(0)
    again = ScriptedAsker(near.replies)
    bold = JudgeEnsemble(Judge(again, repeats=2), margin=0.0)
    assert bold.choose(SCENE, attempts(1, 2)).pick == Pick(1)


def test_judge_shows_prefix_and_continuation():
    vlm = ScriptedAsker(['{"score": 5, "reason": ""}'])
    Judge(vlm).score(SCENE, clip(5))
    assert vlm.asked[0].stage == "judge"
    assert vlm.asked[0].seam == 1.0
    assert len(vlm.asked[0].clips[0]) == 8


def test_tournament_wins_need_both_orders():
    def prefer_brighter(question):
        a, b = (shown.frames[-1].mean() for shown in question.clips)
        return json.dumps({"winner": "A" if a > b else "B", "reason": ""})

    from phyrefine.adapt import FunctionAsker

    choice = Tournament(FunctionAsker(prefer_brighter)).choose(SCENE, attempts(10, 200, 90))
    assert choice.pick == Pick(1)
    assert choice.scores == {"0.0": -2.0, "1.0": 2.0, "2.0": 0.0}
    always_a = ScriptedAsker(['{"winner": "A", "reason": ""}'])
    biased = Tournament(always_a).choose(SCENE, attempts(10, 200, 90))
    assert set(biased.scores.values()) == {0.0}
    assert len(always_a.asked) == 6
    silent = Tournament(ScriptedAsker([RefusedError("no")])).choose(SCENE, attempts(1, 2))
    assert set(silent.scores.values()) == {0.0}


def test_oracle_takes_the_true_best_and_is_stamped():
    choice = Oracle(lambda scenario, made: float(made.frames.mean())).choose(
        SCENE, attempts(3, 9, 5)
    )
    assert choice.pick == Pick(1)
    assert choice.oracle


def test_random_is_even_and_repeatable():
    pool = attempts(*range(4))
    picks = {RandomPick(seed).choose(SCENE, pool).pick.attempt for seed in range(40)}
    assert picks == {0, 1, 2, 3}
    assert RandomPick(3).choose(SCENE, pool) == RandomPick(3).choose(SCENE, pool)


def test_named_ensembles():
    vlm = ScriptedAsker(["x"])
    for name in NAMES:
        assert hasattr(ensemble(name, vlm), "choose")
    with pytest.raises(InvalidInputError, match="No ensemble 'best'"):
        ensemble("best", vlm)
    assert "oracle" not in NAMES  # it needs ground truth, which no name can bring


def test_models_inside_ensembles_are_wrapped():
    inner, outer = ScriptedAsker(["a"]), ScriptedAsker(["b"])
    wrapped = with_models(JudgeEnsemble(Judge(inner)), lambda vlm: outer)
    assert wrapped.judge.vlm is outer
    assert with_models(Tournament(inner), lambda vlm: outer).vlm is outer
    assert with_models(Last(), lambda vlm: outer) == Last()


def test_diagnostics():
    true = {"a": 1.0, "b": 5.0, "c": 3.0}
    found = diagnose(true, "c", {"a": 0.1, "b": 0.2, "c": 0.3})
    assert (found.chosen, found.random, found.best, found.headroom) == (3.0, 3.0, 5.0, 2.0)
    assert found.kept == 0.0
    assert found.rank_correlation == pytest.approx(0.5)
    assert diagnose(true, "b").kept == 1.0
    assert diagnose(true, "a").kept == -1.0
    assert diagnose({"a": 2.0}, "a").kept is None
    with pytest.raises(InvalidInputError, match="'z' is not in the pool"):
        diagnose(true, "z")


def test_rank_correlation_is_spearmans():
    assert rank_correlation([1, 2, 3], [10, 20, 90]) == pytest.approx(1.0)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    assert rank_correlation([1, 1, 2], [1, 1, 2]) == pytest.approx(1.0)
    assert rank_correlation([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(0.8)
    assert rank_correlation([1, 1], [1, 2]) is None
