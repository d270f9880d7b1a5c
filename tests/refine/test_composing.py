import json

import pytest
from attrs import evolve

from phyrefine.errors import RefusedError
from phyrefine.refine import stages
from phyrefine.refine.convergence import NearPrompt, SamePrompt
from phyrefine.refine.loop import Loop
from phyrefine.refine.stages import PAPER, Method
from phyrefine.testing import MovingDot, ScriptedAsker, moving_clip
from phyrefine.types import (
    Attempt,
    Critique,
    GeneratorProfile,
    Plan,
    PlanEvent,
    Prediction,
    Prompt,
    Scenario,
    Violation,
)

PROFILE = GeneratorProfile("g", fps=8.0, context_frames=8, prompt_words=60, negative_prompt=True)
SCENE = Scenario("A red ball falls onto a floor.", moving_clip(24, (32, 32)), seconds=2.0)
PLAN = Plan(
    SCENE.description,
    camera="The camera is fixed.",
    events=(PlanEvent("The red ball falls faster and faster.", 0.0, 0.5),
            PlanEvent("The red ball hits the floor.", 0.5, 0.6, 1),
            PlanEvent("The red ball bounces to half its height.", 0.6, 1.5)),
    unchanged=("The floor stays level.",),
    avoid=("the ball sinks into the floor",),
)  # fmt: skip
PREDICTION = Prediction("It falls.", plan=PLAN)
RIGHT = ("A red ball falls onto a floor. The red ball drops faster and faster. The red ball strikes "
         "the floor. The red ball bounces to half its height. The floor stays level. The camera is "
         "fixed.")  # fmt: skip


def says(*texts, negative=""):
    return ScriptedAsker([json.dumps({"prompt": text, "negative": negative}) for text in texts])


def compose(llm, source=PREDICTION, profile=PROFILE, **settings):
    return stages.compose(llm, source, SCENE, profile, Method(), **settings)


def test_a_rewrite_that_keeps_the_plan_is_the_prompt():
    llm = says(RIGHT)
    prompt = compose(llm)
    assert (prompt.text, prompt.notes, prompt.plan) == (RIGHT, (), PLAN)
    asked = llm.asked[0]
    assert "- [0.5-0.6] The red ball hits the floor." in asked.text
    assert "- (camera) The camera is fixed." in asked.text
    assert "<limit>60 words</limit>" in asked.text
    assert SCENE.description in asked.text
    assert len(llm.asked) == 1


def test_a_lost_contact_is_repaired_once_then_the_template_steps_in():
    lost = RIGHT.replace("The red ball strikes the floor. ", "")
    llm = says(lost, RIGHT)
    assert compose(llm).text == RIGHT
    assert "The red ball hits the floor." in llm.asked[1].text
    llm = says(lost)
    prompt = compose(llm)
    assert len(llm.asked) == 2
    assert "The red ball hits the floor." in prompt.text
    assert "assembled from the plan" in prompt.notes[0]


@pytest.mark.parametrize("failure", [RefusedError("I would rather not"), "", "{broken"])
def test_a_refusal_or_a_rambling_never_costs_the_prompt(failure):
    prompt = compose(ScriptedAsker([failure]))
    for event in PLAN.events:
        assert event.what in prompt.text
    assert "assembled from the plan" in prompt.notes[0]


def test_what_does_not_fit_is_dropped_knowingly_and_told():
    tight = evolve(PROFILE, prompt_words=22)
    llm = ScriptedAsker([RefusedError("no")])
    prompt = compose(llm, profile=tight)
    assert prompt.words <= 22
    assert "hits the floor" in prompt.text  # it was broken before
    assert SCENE.description in prompt.text
    assert (
        'left out for lack of room: "The camera is fixed."; "The floor stays level."'
        in (prompt.notes[1])
    )
    assert "(camera)" not in llm.asked[0].text  # the rewriter is asked for what fits


def test_a_description_that_is_too_long_alone_is_cut_with_a_note():
    prompt = compose(ScriptedAsker([RefusedError("no")]), profile=evolve(PROFILE, prompt_words=4))
    assert prompt.words <= 4
    assert any("cut" in note for note in prompt.notes)


def test_negative_prompts_act_or_stay_away():
    assert compose(says(RIGHT, negative="hands")).negative == "hands"
    assert compose(says(RIGHT)).negative == "the ball sinks into the floor"
    assert compose(says(RIGHT), profile=evolve(PROFILE, negative_prompt=False)).negative is None


def test_motion_is_stated_when_the_generator_sees_too_little():
    vlm = ScriptedAsker([json.dumps({"prediction": "It moves on.", "events": [], "objects": []})])
    prediction = stages.predict(vlm, SCENE, Method())
    assert prediction.plan.objects[0].measured is not None
    blind = compose(ScriptedAsker([""]), prediction, evolve(PROFILE, context_frames=1))
    assert "picture widths per second" in blind.text
    assert "picture widths" not in compose(ScriptedAsker([""]), prediction).text


def test_free_text_without_events_works():
    vlm = ScriptedAsker(["The dot moves on. The dot hits the wall and turns back."])
    prediction = stages.predict(vlm, SCENE, Method())
    assert [event.what for event in prediction.plan.events] == [
        "The dot moves on.", "The dot hits the wall and turns back."]  # fmt: skip
    assert "hits the wall" in compose(ScriptedAsker([""]), prediction).text


# -- a prompt per chunk ------------------------------------------------------------------------

CHUNKED = GeneratorProfile("c", fps=8.0, dialect="world", chunk_frames=8, context_frames=8)
SPANS = ("A red ball falls onto a floor. The floor stays level. [0.0-0.5] The red ball falls faster "
         "and faster. [0.5-0.6] The red ball hits the floor. [0.6-1.5] The red ball bounces to half "
         "its height.")  # fmt: skip


def test_a_rewrite_with_spans_is_cut_into_chunks():
    prompt = compose(says(SPANS), profile=CHUNKED)
    assert prompt.notes == ()
    assert "[" not in prompt.text
    assert len(prompt.chunks) == 2
    assert "hits the floor" in prompt.chunks[0]
    assert "hits the floor" not in prompt.chunks[1]
    assert all(chunk.startswith(SCENE.description) for chunk in prompt.chunks)


def test_without_spans_the_chunks_are_assembled():
    prompt = compose(says(SPANS.replace("[0.0-0.5] ", "").replace("[0.5-0.6] ", "")
                          .replace("[0.6-1.5] ", "")), profile=CHUNKED)  # fmt: skip
    assert "assembled from the plan" in prompt.notes[0]
    assert [("hits" in chunk) for chunk in prompt.chunks] == [True, False]


def test_a_plan_without_times_is_not_cut():
    plan = evolve(PLAN, events=tuple(evolve(e, start=None, end=None) for e in PLAN.events))
    prompt = compose(says(RIGHT), Prediction("x", plan=plan), CHUNKED)
    assert prompt.chunks == ()
    assert "gives no times" in prompt.notes[0]


def test_a_structured_dialect_gets_frames_and_keeps_them_per_chunk():
    profile = GeneratorProfile("j", fps=8.0, dialect="structured", chunk_frames=8)
    llm = ScriptedAsker([""])
    prompt = compose(llm, profile=profile)
    assert "- [0.5-0.6, frames 4-5] The red ball hits the floor." in llm.asked[0].text
    first, second = (json.loads(chunk)["predicted_timeline"] for chunk in prompt.chunks)
    assert [item["frames"] for item in first] == ["0-4", "4-5", "5-8"]
    assert [item["frames"] for item in second] == ["0-4"]


PREDICTED = json.dumps({"prediction": "x", "unchanged": ["The floor stays level."], "events": [
    {"what": event.what, "start": 3.0 + event.start, "end": 3.0 + event.end}
    for event in PLAN.events]})  # fmt: skip


def criticized(*edits):
    return json.dumps({"violations": [{"law": "gravity", "what": "it hangs", "start": 3.1}],
                       "corrected": "The red ball falls.", "edits": list(edits)})  # fmt: skip


def run(vlm, llm, **settings):
    made = Loop(vlm, llm, MovingDot(CHUNKED), SamePrompt(), **settings)
    return made, list(made.iterate(SCENE))


def test_the_loop_gives_each_chunk_its_prompt_and_edits_the_plan():
    later = {"action": "change", "event": 2, "what": "", "start": 4.2, "end": 4.3}
    vlm = ScriptedAsker([PREDICTED, criticized(later), criticized()])
    made, attempts = run(vlm, ScriptedAsker([""]))
    shown = vlm.asked[1].text
    assert "2. [3.5-3.6] The red ball hits the floor." in shown
    assert vlm.asked[1].schema["properties"].keys() >= {"edits"}
    first, second = made.generator.shots[:2]
    assert [prompt.text for prompt in first.chunk_prompts] == list(attempts[0].prompt.chunks)
    assert first.prompt == Prompt(attempts[0].prompt.text)
    assert "hits the floor" in first.chunk_prompts[0].text
    # The contact was moved into the second second: both chunks' prompts follow.
    assert "hits the floor" not in second.chunk_prompts[0].text
    assert "hits the floor" in second.chunk_prompts[1].text
    critique = attempts[0].critique
    assert critique.changes == (
        'moved "The red ball hits the floor." from 0.5 to 0.6 s to 1.2 to 1.3 s',
    )
    assert critique.plan.events[-1].broken == 1
    assert critique.plan.avoid == ("it hangs",)


def test_another_time_alone_is_another_prompt():
    one, two = Prompt("A.", chunks=("x falls", "y")), Prompt("A.", chunks=("y", "x falls"))
    history = [Attempt(1, one, (), critique=Critique("c"), revision=two)]
    assert not SamePrompt().decide(history).stop
    assert not NearPrompt().decide(history).stop
    same = [Attempt(1, one, (), critique=Critique("c"), revision=evolve(one, notes=("n",)))]
    assert SamePrompt().decide(same).stop
    assert NearPrompt().decide(same).stop


def test_the_verbatim_method_knows_no_plan():
    vlm = ScriptedAsker([json.dumps({"scene": "", "domains": [], "events": [], "prediction": "P."}),
                         criticized()])  # fmt: skip
    llm = says("One.", "One.")
    made, attempts = run(vlm, llm, method=PAPER)
    assert "edits" not in vlm.asked[1].schema["properties"]
    assert "objects" not in vlm.asked[0].schema["properties"]
    assert "<plan>" not in llm.asked[0].text + vlm.asked[1].text
    assert "plain prose" in llm.asked[0].instruction
    assert (attempts[0].prompt.text, attempts[0].prompt.plan) == ("One.", None)
    assert made.generator.shots[0].chunk_prompts == ()


def test_violations_stress_the_statement_they_break():
    found = Critique("c", (Violation("gravity", "the red ball hangs above the floor"),), plan=PLAN)
    llm = says(RIGHT)
    compose(llm, found, previous=Prompt("Before."))
    assert "- the red ball hangs above the floor" in llm.asked[0].text
    assert "<previous_prompt>\nBefore." in llm.asked[0].text
