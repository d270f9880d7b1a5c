"""What a run would take, said before it begins, against what it then takes."""

import json

import pytest
from test_refiner import SCENE, Watcher, Writer

from phyrefine import SelfRefiner
from phyrefine.errors import InvalidInputError, UnknownBackendError
from phyrefine.refine.convergence import MaxLoops, Patience
from phyrefine.run.cost import ExpectedCost
from phyrefine.run.estimating.estimate import Estimate, Workers
from phyrefine.run.estimating.flags import STAND_INS, DryRunFlags
from phyrefine.run.estimating.left import finished_in
from phyrefine.run.estimating.rates import Rates, known_by_name, measured
from phyrefine.testing import MovingDot

COST = ExpectedCost(clips=10, vlm_questions=20, llm_questions=5, choosing=2)
RATES = Rates(90.0, 90.0, 0.0, 0.01, 0.002)


def line(estimate, start):
    return next(said for said in estimate.lines() if said.startswith(start))


def test_hours_and_dollars_are_calls_times_rates():
    one = Estimate(COST * 4, RATES, scenarios=4, gpu_hour_usd=2.0)
    assert one.gpu_hours == pytest.approx(40 * 90 / 3600)
    assert one.hours == pytest.approx(1.0)
    assert one.usd == pytest.approx(80 * 0.01 + 20 * 0.002 + 1.0 * 2.0)
    assert "40 clips, 80 VLM questions (8 for the choice) and 20 LLM questions" in line(
        one, "To do"
    )
    assert line(one, "GPU hours") == (
        "GPU hours: 1 (90 s per clip, stated); at least 1 hours with 1 generator."
    )
    assert "$2.84" in line(one, "Dollars")


def test_more_generators_shorten_the_time_and_larger_ones_take_more_gpu_hours():
    workers = Workers(4, 2.0, 8, "Ray at ray://head:10001")
    one = Estimate(COST * 4, RATES, scenarios=4, workers=workers)
    assert one.hours == pytest.approx(0.25)
    assert one.gpu_hours == pytest.approx(2.0)
    assert line(one, "Plan") == (
        "Plan: 4 generators on Ray at ray://head:10001, 2 GPU each; 8 scenarios in progress at once."
    )


def test_what_is_not_known_is_said_and_never_zero():
    one = Estimate(COST, Rates(clip_usd=0.0, llm_usd=0.5))
    assert one.gpu_hours is one.hours is one.usd is None
    assert "unknown" in line(one, "Time")
    assert "at least $2.50" in line(one, "Dollars")
    assert "VLM questions unknown" in line(one, "Dollars")
    endless = Estimate(None, RATES)
    assert endless.usd is None
    assert "no greatest number" in endless.lines()[1]


def test_nothing_left_costs_nothing():
    said = Estimate(COST * 0, Rates(), scenarios=3, finished=3).lines()
    assert said == [
        "3 scenarios, 3 finished, 0 to do.",
        "Nothing is left to make or to pay for.",
    ]


def test_rates_are_measured_from_calls_that_were_made(tmp_path):
    usage = {"calls": 1, "seconds": 30.0, "gpu_seconds": 30.0, "usd": 0.0, "clips": 1.0}
    failed = {**usage, "seconds": 10.0, "gpu_seconds": 10.0, "clips": 0.0}
    asked = {"calls": 2, "seconds": 4.0, "usd": 0.5}
    events = [
        {"event": "call", "stage": "generate", "usage": usage},
        {"event": "call", "stage": "generate", "usage": failed, "error": "it broke"},
        {"event": "call", "stage": "generate", "usage": usage},
        {"event": "call", "stage": "critique", "usage": asked},
        {"event": "call", "stage": "predict", "usage": {**asked, "usd": 0.1}},
        {"event": "call", "stage": "compose", "usage": {**asked, "usd": None}},
        {"event": "attempt"},
    ]
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events) + '{"event": "ca')
    found = measured([path])
    assert found.clip_seconds == pytest.approx(35.0)  # the failed one took time too
    assert found.vlm_usd == pytest.approx(0.15)
    assert found.llm_usd is None
    assert found.clips == 2
    assert measured([]) == Rates(clips=0.0)


def test_stated_goes_before_measured_goes_before_known_by_name(tmp_path):
    usage = {"calls": 1, "seconds": 30.0, "gpu_seconds": 30.0, "usd": 0.25, "clips": 1.0}
    event = {"event": "call", "stage": "generate", "usage": usage}
    (tmp_path / "events.jsonl").write_text(json.dumps(event) + "\n")
    names = ("gemini", "world", "world")
    found = DryRunFlags(dry_run=True).rates(tmp_path, names)
    assert (found.clip_seconds, found.clip_usd, found.clips) == (30.0, 0.25, 1)
    assert (found.vlm_usd, found.llm_usd) == (None, 0.0)
    stated = DryRunFlags(dry_run=True, seconds_per_clip=5.0, usd_per_question=0.1)
    found = stated.rates(tmp_path, names)
    assert (found.clip_seconds, found.clip_gpu_seconds, found.clips) == (5.0, 5.0, 0)
    assert (found.vlm_usd, found.llm_usd) == (0.1, 0.1)
    # A service's seconds are nobody's GPU here.
    assert stated.rates(tmp_path, ("world", "world", "fal:x")).clip_gpu_seconds == 0.0
    with pytest.raises(InvalidInputError, match="to measure from"):
        DryRunFlags(dry_run=True, measured=(tmp_path / "nowhere",)).rates(tmp_path, names)
    with pytest.raises(InvalidInputError, match="--seconds-per-clip belongs to --dry-run"):
        DryRunFlags(seconds_per_clip=1.0)
    with pytest.raises(UnknownBackendError, match="gemini"):
        known_by_name("gemni", "world", "world")


def test_a_run_takes_no_more_than_was_said_and_then_is_finished(tmp_path):
    rule = MaxLoops(2)
    asked = SelfRefiner(*STAND_INS, convergence=rule, ensemble="judge").cost()
    assert finished_in(tmp_path, [SCENE], rule) == []
    refiner = SelfRefiner(
        Watcher(), Writer(), MovingDot(), convergence=rule, ensemble="judge", run_dir=tmp_path
    )
    done = refiner.refine(SCENE)
    assert done.usage.clips == asked.clips
    calls = done.usage.calls - done.usage.clips
    # This critic always finds fault, so that no second look and no repair is needed.
    assert 8 <= calls <= asked.vlm_questions + asked.llm_questions
    assert finished_in(tmp_path, [SCENE], rule) == [SCENE]
    assert finished_in(tmp_path, [SCENE], MaxLoops(3)) == []  # one more loop would be made


def test_no_model_stands_behind_a_dry_run():
    with pytest.raises(InvalidInputError, match="dry run"):
        SelfRefiner(*STAND_INS, convergence=MaxLoops(1)).refine(SCENE)
    assert SelfRefiner(*STAND_INS, convergence=Patience(2)).cost() is None
