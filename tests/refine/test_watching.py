"""Several clips of one prompt: what most of them show is the prompt's fault."""

import json

import pytest

from phyrefine.errors import InvalidInputError
from phyrefine.refine.convergence import Clean, MaxLoops, default_policy
from phyrefine.refine.loop import Loop
from phyrefine.refine.stages import Method
from phyrefine.refine.watching import same_fault, sort_out
from phyrefine.run.cost import expected_cost
from phyrefine.select.simple import CriticsPick
from phyrefine.testing import MovingDot, ScriptedAsker, moving_clip
from phyrefine.types import Candidates, Critique, Origin, Pick, Scenario, Violation

SCENE = Scenario("A dot moves over noise.", moving_clip(24, (48, 48)), seconds=1.0)
PREDICTED = json.dumps({"scene": "", "domains": [], "events": [], "prediction": "It moves on."})
FLOATS = Violation("gravity", "the red ball floats up", 1.0, where="red ball", severity=0.8)


@pytest.mark.parametrize(("other", "same"), [
    (Violation("Gravity", "it hovers in the air", 1.8, where="the red ball"), True),
    (Violation("gravity", "it hovers", 1.2, where="ball"), True),
    (Violation("gravity", "it hovers", None, where="red ball"), True),
    (Violation("gravity", "the red ball floats", 1.0), True),  # alike in words
    (Violation("gravity", "the red ball floats up", 2.5, where="red ball"), False),  # later
    (Violation("gravity", "the blue ball floats up", 1.0, where="blue ball"), False),
    (Violation("inertia", "the red ball floats up", 1.0, where="red ball"), False),
    (Violation("conservation of energy", "x", 1.0, where="red ball"), False),
    (Violation("gravity", "a shadow grows", 1.0), False),
])  # fmt: skip
def test_faults_are_one_by_law_object_and_time(other, same):
    assert same_fault(FLOATS, other) is same
    assert same_fault(other, FLOATS) is same


def test_laws_of_one_family_differ():
    energy = Violation("conservation of energy", "x", 1.0, where="ball")
    momentum = Violation("conservation of momentum", "x", 1.0, where="ball")
    assert not same_fault(energy, momentum)


def fault(what="gravity", start=1.0, severity=0.5):
    return Violation(what, f"{what} broken", start, where="ball", severity=severity)


@pytest.mark.parametrize(("shows", "clips", "systematic"), [
    (1, 2, False), (2, 2, True), (1, 3, False), (2, 3, True), (2, 4, False), (3, 4, True),
])  # fmt: skip
def test_more_than_half_is_systematic(shows, clips, systematic):
    found = [(fault(),)] * shows + [()] * (clips - shows)
    each, prompts, noises = sort_out(found)
    assert (len(prompts), len(noises)) == ((1, 0) if systematic else (0, 1))
    wanted = Origin.SYSTEMATIC if systematic else Origin.ACCIDENTAL
    assert {(one.origin, one.shown) for clip in each for one in clip} == {(wanted, shows)}
    assert [len(clip) for clip in each] == [1] * shows + [0] * (clips - shows)


def test_one_clip_counts_once_however_often_it_shows_a_fault():
    each, prompts, noises = sort_out([(fault(), fault(start=1.1)), (), ()])
    assert not prompts
    assert len(noises) == 2
    assert [len(clip) for clip in each] == [2, 0, 0]


def test_the_most_severe_account_stands_for_a_fault():
    _, prompts, _ = sort_out([(fault(severity=0.2),), (fault(severity=0.9),)])
    assert [one.severity for one in prompts] == [0.9]


def said(*laws):
    listed = [{"law": law, "what": f"{law}ness", "start": 3.5, "end": None, "where": "dot",
               "severity": 1, "confidence": 1} for law in laws]  # fmt: skip
    return json.dumps({"observed": "", "moving": True, "corrected": f"Mind {' '.join(laws)}.",
                       "violations": listed})  # fmt: skip


def run(replies, watch=3, policy=None, method=None, seeds=(0, 1, 2)):
    vlm = ScriptedAsker([PREDICTED, *replies])
    llm = ScriptedAsker([json.dumps({"prompt": f"Prompt {n}.", "negative": ""}) for n in range(9)])
    loop = Loop(vlm, llm, MovingDot(), policy or MaxLoops(1),
                candidates=Candidates(seeds=seeds, watch=watch),
                method=method or Method(plan=False))  # fmt: skip
    return list(loop.iterate(SCENE)), vlm, llm


def test_only_what_is_systematic_reaches_the_rewriter():
    replies = [said("gravity", "optics"), said("gravity"), said("gravity", "friction")]
    (attempt,), vlm, llm = run(replies)
    critique = attempt.critique
    assert [one.law for one in critique.violations] == ["gravity"]
    assert [one.law for one in critique.accidental] == ["optics", "friction"]
    assert "gravityness" in llm.asked[1].text
    assert "optics" not in llm.asked[1].text
    assert "friction" not in llm.asked[1].text
    assert [len(one.seen.violations) for one in attempt.candidates] == [2, 1, 2]
    assert len(vlm.asked) == 1 + 3  # one look a clip
    assert len({question.clips[0].digest for question in vlm.asked[1:]}) == 3


def test_nothing_systematic_ends_the_loop():
    attempts, _, _ = run([said("optics"), said("friction"), said()], policy=default_policy())
    assert len(attempts) == 1
    verdict = attempts[0].verdict
    assert (verdict.stop, verdict.rule) == (True, "clean")
    assert "2 accidental violations are left to the choice" in verdict.reason


def test_the_choice_sees_the_accidents():
    attempts, _, _ = run([said("optics"), said("friction"), said()])
    assert CriticsPick().choose(SCENE, attempts).pick == Pick(0, 2)


def test_clips_that_are_not_watched_do_not_compete_for_the_critics_pick():
    attempts, vlm, _ = run([said("optics"), said("optics")], watch=2)
    assert attempts[0].candidates[2].seen is None
    assert len(vlm.asked) == 3
    assert CriticsPick().choose(SCENE, attempts).pick.candidate < 2


def test_systematic_faults_are_followed_from_loop_to_loop():
    replies = [said("gravity")] * 3 + [said("gravity")] * 2 + [said()] + [said("optics")] * 3
    attempts, _, _ = run(replies, policy=MaxLoops(3))
    status = [[str(one.status) for one in a.critique.violations] for a in attempts]
    assert status == [["new"], ["persisting"], ["new"]]
    assert [len(a.critique.fixed) for a in attempts] == [0, 0, 1]


def test_a_clip_without_an_answer_is_told():
    (attempt,), _, _ = run([said("gravity"), "nothing", "nothing at all", said("gravity")])
    assert attempt.critique.looks == 2
    assert "no usable answer about 1" in attempt.critique.notes[0]
    assert [one.seen is None for one in attempt.candidates] == [False, True, False]


def test_with_a_plan_accidents_do_not_edit_it():
    from phyrefine.refine.watching import watch
    from phyrefine.types import Plan, PlanEvent

    plan = Plan("A dot.", events=(PlanEvent("gravity pulls the dot", 0.0, 1.0),
                                  PlanEvent("optics bends the light", 0.0, 1.0)))  # fmt: skip

    def edited(*laws):
        reply = json.loads(said(*laws))
        reply["edits"] = [{"action": "change", "event": 2, "what": "the light is gone",
                           "start": None, "end": None}]  # fmt: skip
        return json.dumps(reply)

    vlm = ScriptedAsker([edited("gravity", "optics"), edited("gravity", "friction")])
    clips = [MovingDot().generate(shot) for shot in _shots()]
    critique, _ = watch(vlm, clips, SCENE, Method(), plan=plan)
    assert [event.what for event in critique.plan.events] == [e.what for e in plan.events]
    assert [event.broken for event in critique.plan.events] == [1, 0]


def _shots():
    from phyrefine.types import Prompt, Shot

    return [Shot(Prompt("a"), SCENE.prefix, seconds=1.0, size=(48, 48), seed=s) for s in (0, 1)]


@pytest.mark.parametrize("watch", [0, 4, -1])
def test_as_many_clips_can_be_watched_as_are_made(watch):
    with pytest.raises(InvalidInputError, match="watch 1 to 3"):
        Candidates(seeds=(0, 1, 2), watch=watch)


def test_the_cost_counts_every_look():
    cost = expected_cost(Candidates(seeds=(0, 1, 2), watch=3), MaxLoops(2), Method(),
                         baseline=True, choosing=0)  # fmt: skip
    assert cost.vlm_questions == 1 + 2 * 3 + 3


def test_clean_without_accidents_says_what_it_said():
    from phyrefine.types import Attempt, Candidate, Prompt

    clip = moving_clip(8)
    attempt = Attempt(1, Prompt("x"), (Candidate(clip),), Critique("t", looks=2))
    assert Clean().decide([attempt]).reason == "no violation in 2 of 2 looks"
