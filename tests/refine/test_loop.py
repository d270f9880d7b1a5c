import json

import pytest

from phyrefine.errors import RateLimitedError, RefusedError
from phyrefine.refine.convergence import MaxLoops, paper_policy
from phyrefine.refine.loop import Loop
from phyrefine.refine.stages import Method
from phyrefine.testing import MovingDot, ScriptedAsker, moving_clip
from phyrefine.types import Candidates, Scenario

SCENE = Scenario("A dot moves over noise.", moving_clip(24, (48, 48)), seconds=1.0)
PREDICTED = json.dumps({"scene": "", "domains": [], "events": [], "prediction": "It moves on."})


def found(what):
    return json.dumps({"observed": "", "moving": True, "corrected": f"No more {what}.",
                       "violations": [{"law": "Inertia", "what": what, "start": 3.2, "end": None,
                                       "where": "", "severity": 1, "confidence": 1}]})  # fmt: skip


def prompts(*texts):
    return ScriptedAsker([json.dumps({"prompt": text, "negative": ""}) for text in texts])


def loop(vlm, llm, convergence=None, **settings):
    settings = {"method": Method(plan=False), **settings}
    return Loop(vlm, llm, MovingDot(), convergence or paper_policy(), **settings)


def test_each_loop_generates_from_the_revision_of_the_one_before():
    vlm = ScriptedAsker([PREDICTED, found("stop"), found("jump")])
    made = loop(vlm, prompts("The dot one.", "The dot two.", "The dot three."), MaxLoops(2))
    attempts = list(made.iterate(SCENE))
    assert [attempt.index for attempt in attempts] == [1, 2]
    assert [attempt.prompt.text for attempt in attempts] == ["The dot one.", "The dot two."]
    assert attempts[0].revision == attempts[1].prompt
    assert attempts[1].revision.text == "The dot three."
    assert attempts[0].prediction.text == "It moves on."
    assert [shot.prompt for shot in made.generator.shots] == [a.prompt for a in attempts]
    assert {shot.seed for shot in made.generator.shots} == {0}  # only the prompt changes
    assert [attempt.verdict.stop for attempt in attempts] == [False, True]


def test_noise_of_its_own_for_every_loop():
    vlm = ScriptedAsker([PREDICTED, found("stop"), found("jump"), found("fade")])
    made = loop(vlm, prompts("One.", "Two.", "Three."), MaxLoops(3),
                candidates=Candidates(seeds=(0, 7), redraw=True))  # fmt: skip
    attempts = list(made.iterate(SCENE))
    seeds = [[candidate.seed for candidate in attempt.candidates] for attempt in attempts]
    assert seeds == [[0, 7], [1000, 1007], [2000, 2007]]
    assert Candidates(seeds=(0, 7), redraw=True).seeds_of(0) == (0, 7)


def test_prompt_equality_stops_in_the_verbatim_method():
    from phyrefine.refine.stages import PAPER

    vlm = ScriptedAsker([PREDICTED, found("stop")])
    attempts = list(loop(vlm, prompts("One.", "Two.", "two"), method=PAPER).iterate(SCENE))
    assert len(attempts) == 2
    assert attempts[-1].verdict.rule == "same_prompt"


def test_every_candidate_shares_the_prompt_and_the_critic_watches_the_first():
    vlm = ScriptedAsker([PREDICTED, found("stop")])
    made = loop(vlm, prompts("One."), MaxLoops(1),
                candidates=Candidates(steps=(4, 8), seeds=(0, 7)))  # fmt: skip
    (attempt,) = made.iterate(SCENE)
    assert [(c.steps, c.seed) for c in attempt.candidates] == [(4, 0), (4, 7), (8, 0), (8, 7)]
    assert attempt.clip is attempt.candidates[0].clip
    shown = vlm.asked[1].clips[0]
    assert shown.frames[24:].tobytes() == attempt.clip.native.frames.tobytes()
    assert all(c.seam.ok or "jump" in c.seam.faults[0] for c in attempt.candidates)
    assert len(attempt.clip) == 8


def test_a_fault_after_generation_keeps_the_clip():
    vlm = ScriptedAsker([PREDICTED, RateLimitedError("slow down")])
    iterator = loop(vlm, prompts("One.")).iterate(SCENE)
    attempt = next(iterator)
    assert attempt.critique is None
    assert len(attempt.clip) == 8
    with pytest.raises(RateLimitedError):
        next(iterator)


def test_a_refused_prediction_starts_from_the_description():
    vlm = ScriptedAsker([RefusedError("no"), found("stop")])
    (attempt,) = loop(vlm, prompts("Unused."), MaxLoops(1)).iterate(SCENE)
    assert attempt.prompt.text == SCENE.description
    assert attempt.prediction is None
    assert "nothing usable" in attempt.prompt.notes[0]


def test_scores_are_recorded_with_each_attempt():
    class Brightness:
        name = "brightness"

        def score(self, scenario, clip):
            return float(clip.frames.mean())

    vlm = ScriptedAsker([PREDICTED, found("stop")])
    (attempt,) = loop(vlm, prompts("One."), MaxLoops(1), scorers=(Brightness(),)).iterate(SCENE)
    assert attempt.scores == {"brightness": pytest.approx(float(attempt.clip.frames.mean()))}


def test_violations_pass_from_loop_to_loop():
    vlm = ScriptedAsker([PREDICTED, found("stop"), found("stop")])
    attempts = list(loop(vlm, prompts("One.", "Two.", "Three."), MaxLoops(2)).iterate(SCENE))
    assert attempts[0].critique.violations[0].status == "new"
    assert attempts[1].critique.violations[0].status == "persisting"
    assert "stop" in vlm.asked[2].text


@pytest.mark.parametrize("scene", [Scenario("A dot.", moving_clip(1, (48, 48)), seconds=1.0),
                                   Scenario("A dot.", seconds=1.0, size=(32, 32))])  # fmt: skip
def test_image_and_text_scenarios(scene):
    vlm = ScriptedAsker([PREDICTED, found("stop")])
    (attempt,) = loop(vlm, prompts("One."), MaxLoops(1)).iterate(scene)
    assert len(attempt.clip) == scene.frames
