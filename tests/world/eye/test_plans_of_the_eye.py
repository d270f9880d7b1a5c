"""What the eye predicts with times, and how it edits a plan."""

import pytest

from phyrefine.cli.demo_scenes import make_sample
from phyrefine.refine import stages
from phyrefine.refine.stages import Method
from phyrefine.testing import moving_clip
from phyrefine.types import Plan, PlanEvent, Scenario
from phyrefine.world.eye import WorldVLM
from phyrefine.world.eye.describing import planning
from phyrefine.world.eye.describing.phrases import PLAIN, STRESSED, say
from phyrefine.world.eye.describing.sentences import Cast
from phyrefine.world.eye.measuring.case import Case, Finding
from phyrefine.world.truth.physics.contacts import bounces, collision_sample
from phyrefine.world.truth.scenes import SEAM_SECONDS, simulate

EYE = WorldVLM()


def plan_of(kind, seed):
    sample = make_sample(kind, seed)
    return stages.predict(EYE, sample.scenario, Method()).plan, simulate(sample.scene, fps=40.0)


def starting(plan, words):
    return next(event for event in plan.events if words in event.what)


@pytest.mark.parametrize("seed", [1_100_000, 1_100_004, 1_100_008])
def test_the_landing_of_a_ball_is_predicted_to_a_tenth_of_a_second(seed):
    plan, truth = plan_of("drop", seed)
    landing = next(t for t in truth.times[bounces(truth)] if t > SEAM_SECONDS) - SEAM_SECONDS
    rebound = starting(plan, "bounces back up")
    assert rebound.start == pytest.approx(landing, abs=0.1)
    # It falls again after every bounce, so that statement holds until it rests.
    assert starting(plan, "falls straight down").end >= rebound.end
    assert plan.unchanged
    assert "visible the whole time" in plan.unchanged[0]


def test_the_hit_of_a_ball_at_rest_is_predicted():
    plan, truth = plan_of("collision", 1_100_001)
    hit = truth.times[collision_sample(truth)] - SEAM_SECONDS
    assert starting(plan, "rolls straight on").end == pytest.approx(hit, abs=0.1)
    assert starting(plan, "almost stops").start == pytest.approx(hit, abs=0.1)


def test_what_is_not_known_gets_no_time():
    plan = stages.predict(
        EYE, Scenario("A ball hits a stack of blocks.", moving_clip()), Method()
    ).plan
    assert {event.start for event in plan.events} == {None}
    steady = stages.predict(EYE, Scenario("A pendulum swings.", moving_clip()), Method()).plan
    assert {(event.start, event.end) for event in steady.events} == {(0.0, 5.0)}


class _Case(Case):
    seam_time, step, times = 3.0, 0.1, [7.9]


def edited(plan, again=frozenset()):
    lines = "\n".join(
        f"{n}. [{3 + e.start:.1f}-{3 + e.end:.1f}] {e.what}" for n, e in enumerate(plan.events, 1)
    )
    roles = Cast("drop", "the red ball", "", "lively")
    found = [Finding("hover", "the red ball", 3.2, None, 0.8, 0.9)]
    case = object.__new__(_Case)
    return planning.edits(roles, found, again, lines, case)


def test_a_fault_is_stressed_in_the_time_of_what_it_broke():
    fall = say(PLAIN["fall"], "the red ball", "")
    plan = Plan(events=(PlanEvent(fall, 0.0, 0.5), PlanEvent("x", 0.5, 5.0)))
    (edit,) = edited(plan)
    assert (edit["action"], edit["event"]) == ("add", None)
    assert (edit["start"], edit["end"]) == (3.0, 3.5)
    assert edit["what"] == say(STRESSED["hover"][0], "the red ball", "")
    # The same fault again changes the stressed statement instead of adding one more.
    stressed = Plan(events=(*plan.events, PlanEvent(edit["what"], 0.0, 0.5)))
    (edit,) = edited(stressed, frozenset({"hover"}))
    assert (edit["action"], edit["event"]) == ("change", 3)
    assert edit["what"] == say(STRESSED["hover"][1], "the red ball", "")


def test_what_the_plan_does_not_say_is_stressed_from_seam_to_end():
    (edit,) = edited(Plan(events=(PlanEvent("x", 0.0, 5.0),)))
    assert (edit["start"], edit["end"]) == (3.0, 8.0)
