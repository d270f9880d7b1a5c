import json
import math

import pytest
from pools import ball, pool, scene

from phyrefine.adapt import FunctionAsker
from phyrefine.errors import BadOutputError, RefusedError
from phyrefine.select.scorers import laws
from phyrefine.select.scorers.questions import DEFAULT_PLAN, LawQuestions
from phyrefine.testing import ScriptedAsker
from phyrefine.types import Pool, Scenario
from phyrefine.world.eye import WorldVLM

ASKED = laws.questions(["the ball"], ["Falling", "Inertia", "Bounce", "Permanence"])


def answers(**said):
    """By question number, as ``q1="yes"``."""
    return {int(key[1:]) - 1: (value, 1.0) for key, value in said.items()}


def test_every_law_of_the_knowledge_base_is_read():
    found = laws.all_laws()
    assert len(found) >= 35
    assert found["Falling"].statement.startswith("an unsupported body speeds up")
    assert found["Falling"].look.endswith("?")
    assert set(DEFAULT_PLAN[1]) <= set(found)


def test_half_of_the_questions_are_phrased_so_that_yes_is_the_fault():
    assert [question.good for question in ASKED[1:]] == ["yes", "no", "yes", "no"]
    assert ASKED[1].text.startswith('Does the ball keep the law "Falling"? (an unsupported')
    assert ASKED[2].text.startswith('Does the ball break the law "Inertia" at any time? (')
    two = laws.questions(["a", "b"], ["Falling", "Inertia", "Bounce"])
    keeps = [question.good == "yes" for question in two if question.law]
    assert sum(keeps) == 3
    assert [q.parent for q in ASKED] == [None, 0, 0, 0, None]  # what is gone breaks Permanence


def test_the_score_is_the_share_of_good_answers():
    right = answers(q1="yes", q2="yes", q3="no", q4="yes", q5="no")
    assert laws.score_answers(ASKED, right) == 1.0
    assert laws.score_answers(ASKED, {**right, **answers(q3="yes")}) == 0.75
    all_yes = answers(q1="yes", q2="yes", q3="yes", q4="yes", q5="yes")
    assert laws.score_answers(ASKED, all_yes) == 0.5  # a VLM that agrees with everything


def test_a_child_counts_only_if_its_parent_holds():
    hidden = answers(q1="no", q2="yes", q3="no", q4="yes", q5="yes")
    assert math.isnan(laws.score_answers(ASKED, hidden))  # one answer is left
    seen = answers(q1="yes", q2="cannot tell", q3="no", q4="no", q5="no")
    assert laws.score_answers(ASKED, seen) == pytest.approx(2 / 3)
    assert math.isnan(laws.score_answers(ASKED, answers(q1="yes", q2="yes", q3="no")))


def test_answers_are_weighted_by_confidence_and_laws_equally():
    two = laws.questions(["a", "b"], ["Falling", "Inertia", "Bounce"])
    # Falling: a keeps (0.9 sure), b keeps it not (0.1); the others are right.
    said = {0: ("yes", 1.0), 1: ("yes", 0.9), 2: ("no", 1.0), 3: ("yes", 1.0), 4: ("yes", 1.0),
            5: ("yes", 0.1), 6: ("yes", 1.0), 7: ("no", 1.0)}  # fmt: skip
    assert [q.good for q in two if q.law] == ["yes", "no", "yes", "no", "yes", "no"]
    assert laws.score_answers(two, said) == pytest.approx((0.9 + 1.0 + 1.0) / 3)


def test_replies_are_read_leniently_and_refused_when_they_mean_nothing():
    text = '{"answers": [{"number": "2", "answer": "Yes.", "confidence": 2}, {"number": 9}]}'
    assert laws.read_answers(text, 5) == {1: ("yes", 1.0)}
    with pytest.raises(BadOutputError, match="perhaps"):
        laws.read_answers('{"answers": [{"number": 1, "answer": "perhaps"}]}', 5)
    with pytest.raises(BadOutputError, match="answers"):
        laws.read_answers('{"score": 3}', 5)
    plan = '{"objects": ["the ball"], "laws": ["falling", "Phlogiston", "Bounce", "Bounce"]}'
    assert laws.read_plan(plan) == (("the ball",), ("Falling", "Bounce"))
    with pytest.raises(BadOutputError, match="laws"):
        laws.read_plan('{"objects": ["the ball"], "laws": ["Phlogiston"]}')


def scripted(question):
    if "laws" in question.schema["properties"]:
        assert question.labels == ("prefix",)
        return '{"objects": ["the square"], "laws": ["Inertia", "Permanence", "Friction"]}'
    given = [(1, "yes"), (2, "yes"), (3, "no"), (4, "yes")]
    if question.clips[0].frames[-1].mean() > 62:  # the ball is still in view
        given = [(1, "yes"), (2, "no"), (3, "no"), (4, "yes")]
    return json.dumps(
        {"answers": [{"number": n, "answer": a, "confidence": 0.5} for n, a in given]}
    )


def test_the_list_is_fixed_before_any_clip_is_seen_and_asked_of_every_clip():
    asked = []

    def ask(question):
        asked.append(question)
        return scripted(question)

    scorer = LawQuestions(FunctionAsker(ask))
    values = scorer.score_pool(pool(ball(row=10), ball(row=10, speed=4.5))).values
    assert len(asked) == 3
    prefix = scene().prefix
    assert asked[0].clips[0] == prefix
    lists = [question.text.partition("<questions>")[2] for question in asked[1:]]
    assert lists[0] == lists[1]
    assert values == {"0.0": pytest.approx(2 / 3), "0.1": pytest.approx(1.0)}
    assert scorer.score(scene(), ball(row=10)) == values["0.0"]


def test_without_a_usable_plan_the_usual_laws_are_asked():
    vlm = ScriptedAsker([RefusedError("no")])
    said = LawQuestions(vlm).score_pool(pool(ball()))
    assert math.isnan(said.values["0.0"])
    assert "no opinion of 0.0" in said.notes[0]
    assert all(law in vlm.asked[-1].text for law in DEFAULT_PLAN[1])


def test_the_embedded_eye_answers_the_battery():
    import numpy as np

    from phyrefine.video.clip import Clip

    def falling(frames, start=0, vanish=99):
        out = np.full((frames, 64, 64, 3), (200, 210, 220), np.uint8)
        out[:, 58:] = (90, 90, 90)
        for t in range(frames):
            row = int(min(54, 6 + 0.35 * (start + t) ** 2))
            if t < vanish:
                out[t, row - 4 : row + 4, 28:36] = (210, 45, 40)
        return Clip(out, 8.0)

    scenario = Scenario("A red clay ball falls.", falling(6), seconds=2.0, fps=8.0, size=(64, 64))
    right, wrong = falling(16, start=6), falling(16, start=6, vanish=5)
    values = LawQuestions(WorldVLM()).score_pool(Pool.of_clips(scenario, [wrong, right])).values
    assert values["0.1"] > values["0.0"]
