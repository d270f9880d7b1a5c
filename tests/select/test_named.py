import json

import pytest
from pools import attempts, ball, scene

from phyrefine.adapt import FunctionAsker
from phyrefine.backends.scorers import WEIGHTED
from phyrefine.errors import InvalidInputError
from phyrefine.select.adaptive import StopEarly
from phyrefine.select.combining.combined import Combined
from phyrefine.select.combining.guard import MotionGuard
from phyrefine.select.combining.halving import Halving
from phyrefine.select.models import with_models
from phyrefine.select.named import (
    DEFAULT_ENSEMBLE,
    ensemble,
    expected_questions,
    find,
    scorer,
)
from phyrefine.select.scorers.judge import JudgeEnsemble
from phyrefine.select.table import SCORERS
from phyrefine.testing import ScriptedAsker

VLM = ScriptedAsker(["x"])


def test_names_joined_by_plus_sum_ranks():
    rule = ensemble("consensus*2 + judge", VLM)
    assert isinstance(rule, Combined)
    assert rule.name == "consensus+judge"
    assert rule.weights == (2.0, 1.0)
    assert rule.guard == MotionGuard(0.5)
    assert ensemble(DEFAULT_ENSEMBLE, VLM).guard is not None


def test_names_joined_by_an_arrow_halve():
    rule = ensemble("most_motion>consensus>judge", VLM, guard=MotionGuard(1.0))
    assert isinstance(rule, Halving)
    assert rule.name == "most_motion>consensus>judge"
    assert rule.guard == MotionGuard(1.0)


def test_the_judge_alone_is_the_one_with_the_margin_unless_a_guard_is_asked_for():
    assert isinstance(ensemble("judge", VLM), JudgeEnsemble)
    assert ensemble("consensus+judge@1", VLM).guard == MotionGuard(1.0)
    assert isinstance(ensemble("judge@0.5", VLM), Combined)
    assert isinstance(ensemble("judge", VLM, guard=MotionGuard()), Combined)
    assert ensemble("least_motion", VLM).guard is None  # a control that the guard would defeat


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("best", "No ensemble 'best'"),
        ("consensus+", "empty name"),
        ("consensus+last", "'last' scores nothing"),
        ("consensus+jugde", "No ensemble 'jugde'"),
        ("consensus:dino", "takes no model"),
        ("consensus@1.5", "share of the median"),
        ("consensus*0+judge", "one weight above 0"),
    ],
)
def test_names_that_mean_nothing_are_refused(spec, match):
    with pytest.raises(InvalidInputError, match=match):
        ensemble(spec, VLM)


def test_every_row_makes_a_scorer_of_its_name_and_says_what_it_costs_and_is_worth():
    for name, row in SCORERS.items():
        made = scorer(name, VLM)
        assert made.name == row.name == name
        assert all((row.summary, row.worth, row.costs))
        alone = ensemble(name, VLM)
        assert hasattr(alone, "choose")


def test_scorers_with_weights_are_found_by_name_and_model():
    row, model = find("kinematics:facebook/dinov2-small?layer=4", WEIGHTED)
    assert row.takes_model
    assert model == "facebook/dinov2-small?layer=4"
    assert scorer("kinematics", VLM, WEIGHTED).encoder.identity == "gray pixels 24x32"
    made = scorer("kinematics:some/path?layer=4&device=cpu", VLM, WEIGHTED)
    assert (made.encoder.path, made.encoder.layer, made.encoder.device) == ("some/path", 4, "cpu")
    surprise = scorer("vjepa2:some/path?stride=8&dtype=bfloat16", VLM, WEIGHTED)
    assert (surprise.path, surprise.stride, surprise.dtype) == ("some/path", 8, "bfloat16")
    with pytest.raises(InvalidInputError, match="strides"):
        scorer("vjepa2:p?strides=8", VLM, WEIGHTED)
    with pytest.raises(InvalidInputError, match="vjepa2"):
        find("nothing", WEIGHTED)


def test_questions_are_counted_before_they_are_asked():
    assert expected_questions("consensus", 8) == 0
    assert expected_questions("consensus+judge", 8) == 8
    assert expected_questions("tournament", 8) == 56
    assert expected_questions("questions+judge", 8) == 17
    assert expected_questions("consensus>judge", 9) == 5
    assert expected_questions("last", 8) == 0
    assert expected_questions("consensus+judge@1", 8) == 8
    assert expected_questions("vjepa2", 8, WEIGHTED) == 0


def test_the_count_is_what_is_asked():
    asked = []

    def ask(question):
        asked.append(question)
        return json.dumps({"score": 5, "winner": "A", "reason": ""})

    clips = [ball(row=10 + 4 * n) for n in range(6)]
    for spec in ("consensus+judge", "tournament", "consensus>judge", "judge"):
        asked.clear()
        ensemble(spec, FunctionAsker(ask)).choose(scene(), attempts(*clips))
        assert len(asked) == expected_questions(spec, 6), spec


def test_models_are_wrapped_however_deep_they_lie():
    outer = ScriptedAsker(["y"])
    rule = with_models(ensemble("consensus+judge+questions", VLM), lambda vlm: outer)
    assert rule.scorers[1].scorer.vlm is outer
    assert rule.scorers[2].vlm is outer
    early = with_models(StopEarly(scorer("judge", VLM)), lambda vlm: outer)
    assert early.scorer.scorer.vlm is outer
    plain = ensemble("consensus", VLM)
    assert with_models(plain, lambda vlm: outer) is plain
