import json

import numpy as np
import pytest
from attrs import evolve

from phyrefine.errors import BadOutputError, RateLimitedError, RefusedError
from phyrefine.refine import stages
from phyrefine.refine.stages import PAPER, Method
from phyrefine.testing import ScriptedAsker, moving_clip
from phyrefine.types import (
    Critique,
    GeneratorProfile,
    Prediction,
    Prompt,
    Scenario,
    Status,
    Violation,
)
from phyrefine.video.clip import Clip

PROFILE = GeneratorProfile("g", fps=8.0, context_frames=1, prompt_words=40)
SCENE = Scenario("A dot moves over noise.", moving_clip(24, (48, 48)), seconds=2.0)
PREDICTION = Prediction("The dot moves on.")


def reply(prompt="The dot moves on.", negative=""):
    return json.dumps({"prompt": prompt, "negative": negative})


def critique_reply(*violations, corrected="The dot moves evenly."):
    listed = [{"law": "Inertia", "what": what, "start": 3.5, "end": 4.0, "where": "dot",
               "severity": 0.8, "confidence": 0.9} for what in violations]  # fmt: skip
    return json.dumps({"observed": "", "moving": True, "violations": listed,
                       "corrected": corrected})  # fmt: skip


# -- predict -----------------------------------------------------------------------------------


def predicted():
    return json.dumps({"scene": "", "domains": [], "events": [], "prediction": "It moves on."})


def test_predict_shows_the_prefix_and_tells_d_and_k():
    vlm = ScriptedAsker([predicted()])
    assert stages.predict(vlm, SCENE, Method()).text == "It moves on."
    asked = vlm.asked[0]
    assert asked.stage == "predict"
    assert asked.clips == (SCENE.prefix,)
    assert SCENE.description in asked.text
    assert "from 3.00 s to 5.00 s" in asked.text
    assert "## Magnetism" in asked.instruction
    assert asked.schema is not None


def test_predict_from_an_image_and_from_text_alone():
    vlm = ScriptedAsker([predicted()])
    image = Scenario("A dot.", moving_clip(1))
    stages.predict(vlm, image, Method())
    assert "one image" in vlm.asked[0].text
    stages.predict(vlm, Scenario("A dot."), Method())
    assert vlm.asked[1].clips == ()
    assert "words only" in vlm.asked[1].text


def test_an_unreadable_reply_gets_one_repair_round():
    vlm = ScriptedAsker(["nonsense", predicted()])
    assert stages.predict(vlm, SCENE, Method()).text == "It moves on."
    assert len(vlm.asked) == 2
    assert "No JSON object" in vlm.asked[1].text
    assert "nonsense" in vlm.asked[1].text
    assert vlm.asked[1].clips == vlm.asked[0].clips
    with pytest.raises(BadOutputError):
        stages.predict(ScriptedAsker(["nonsense"]), SCENE, Method())


# -- compose -----------------------------------------------------------------------------------


def test_compose_asks_in_the_generators_dialect():
    llm = ScriptedAsker([reply(negative="hands")])
    prompt = stages.compose(llm, PREDICTION, SCENE, PROFILE, Method())
    assert prompt == Prompt("The dot moves on.")
    asked = llm.asked[0]
    assert "<limit>40 words</limit>" in asked.text
    assert "<style>prose</style>" in asked.text
    assert SCENE.description in asked.text
    assert PREDICTION.text in asked.text
    assert asked.clips == ()


def test_negative_prompts_only_for_generators_that_take_them():
    llm = ScriptedAsker([reply(negative="hands")])
    takes = evolve(PROFILE, negative_prompt=True)
    assert stages.compose(llm, PREDICTION, SCENE, takes, Method()).negative == "hands"


def test_motion_at_the_seam_is_stated_when_the_generator_sees_too_little():
    llm = ScriptedAsker([reply()])
    stages.compose(llm, PREDICTION, SCENE, PROFILE, Method())
    assert "picture widths per second" in llm.asked[0].text
    sees_enough = evolve(PROFILE, context_frames=8)
    stages.compose(llm, PREDICTION, SCENE, sees_enough, Method())
    assert "<motion>" not in llm.asked[1].text
    stages.compose(llm, PREDICTION, SCENE, evolve(PROFILE, context_frames=None), Method())
    assert "<motion>" not in llm.asked[2].text


def test_violations_and_the_previous_prompt_reach_the_rewriter():
    llm = ScriptedAsker([reply()])
    found = Critique("The dot should go on.", (Violation("Inertia", "the dot stops dead"),))
    stages.compose(llm, found, SCENE, PROFILE, Method(), previous=Prompt("The dot rests."))
    text = llm.asked[0].text
    assert "- the dot stops dead" in text
    assert "<previous_prompt>\nThe dot rests.\n</previous_prompt>" in text


def test_paper_mode_gives_the_rewriter_the_physics_text_only():
    llm = ScriptedAsker([reply()])
    found = Critique("The dot should go on.", (Violation("Inertia", "the dot stops dead"),))
    stages.compose(llm, found, SCENE, PROFILE, PAPER, previous=Prompt("The dot rests."))
    text = llm.asked[0].text
    assert found.text in text
    for hidden in (SCENE.description, "stops dead", "The dot rests.", "<motion>"):
        assert hidden not in text


def test_leaking_rewrites_get_one_repair_round_then_a_clean_cut():
    leaking = reply("The dot moves on. By Newton's law it cannot stop.")
    llm = ScriptedAsker([leaking, reply("The dot moves on evenly.")])
    assert (
        stages.compose(llm, PREDICTION, SCENE, PROFILE, Method()).text == "The dot moves on evenly."
    )
    assert "names a law" in llm.asked[1].text
    prompt = stages.compose(ScriptedAsker([leaking]), PREDICTION, SCENE, PROFILE, Method())
    assert prompt.text == "The dot moves on."
    assert "dropped 1 sentences" in prompt.notes[0]


@pytest.mark.parametrize("failure", [RefusedError("I would rather not"), reply(""), "", "{broken"])
def test_a_failed_rewrite_keeps_the_previous_prompt(failure):
    kept = stages.compose(
        ScriptedAsker([failure]), PREDICTION, SCENE, PROFILE, Method(), previous=Prompt("Before.")
    )
    assert kept.text == "Before."
    assert "kept the prompt" in kept.notes[0]


def test_a_failed_first_rewrite_falls_back_to_the_description():
    kept = stages.compose(ScriptedAsker([""]), PREDICTION, SCENE, PROFILE, Method())
    assert kept.text == SCENE.description


def test_transport_faults_are_not_swallowed():
    with pytest.raises(RateLimitedError):
        stages.compose(ScriptedAsker([RateLimitedError("x")]), PREDICTION, SCENE, PROFILE, Method())


def test_a_stuck_rewriter_is_asked_once_more():
    found = Critique("The dot should go on.", (Violation("Inertia", "the dot stops dead"),))
    llm = ScriptedAsker([reply("The dot rests."), reply("The dot glides on.")])
    prompt = stages.compose(llm, found, SCENE, PROFILE, Method(), previous=Prompt("The dot rests."))
    assert prompt.text == "The dot glides on."
    assert llm.asked[1].sample == 1
    assert "left the faults above in place" in llm.asked[1].text
    clean = Critique("The dot rests.")
    llm = ScriptedAsker([reply("The dot rests.")])
    stages.compose(llm, clean, SCENE, PROFILE, Method(), previous=Prompt("The dot rests."))
    assert len(llm.asked) == 1


# -- critique ----------------------------------------------------------------------------------


def made(seconds=2.0):
    native = moving_clip(round(8 * seconds), (48, 48))
    return native.resample(24.0).with_native(native)


def test_the_critic_sees_prefix_and_continuation_with_the_seam():
    vlm = ScriptedAsker([critique_reply("the dot stops")])
    found = stages.critique(vlm, made(), SCENE, Method())
    asked = vlm.asked[0]
    assert asked.seam == 3.0
    assert asked.clips[0].duration == 5.0
    assert asked.clips[0].fps == 8.0  # the model's own rate, not the delivered one
    assert np.array_equal(asked.clips[0].frames[24:], made().native.frames)
    assert SCENE.description in asked.text
    assert "from 3.00 s to the end it was made" in asked.text
    assert (found.violations[0].start, found.violations[0].end) == (0.5, 1.0)
    assert found.text == "The dot moves evenly."
    assert found.looks == 1


def test_paper_mode_shows_the_continuation_only():
    vlm = ScriptedAsker([critique_reply("the dot stops")])
    stages.critique(vlm, made(), SCENE, PAPER, earlier=(Violation("Bounce", "sticks"),))
    asked = vlm.asked[0]
    assert asked.seam is None
    assert asked.clips == (made().native,)
    assert SCENE.description not in asked.text
    assert "sticks" not in asked.text


def test_a_clean_verdict_gets_a_second_independent_look():
    vlm = ScriptedAsker([critique_reply(), critique_reply()])
    found = stages.critique(vlm, made(), SCENE, Method())
    assert (found.clean, found.looks) == (True, 2)
    first, second = vlm.asked
    assert second.sample == 1
    assert second.instruction != first.instruction
    assert "second look" in second.text


def test_the_second_look_can_overturn_the_first():
    vlm = ScriptedAsker([critique_reply(), critique_reply("it vanishes", corrected="It stays.")])
    found = stages.critique(vlm, made(), SCENE, Method())
    assert found.violations[0].what == "it vanishes"
    assert found.text == "It stays."


def test_a_failed_second_look_leaves_one_look():
    vlm = ScriptedAsker([critique_reply(), RefusedError("no")])
    found = stages.critique(vlm, made(), SCENE, Method())
    assert (found.looks, found.clean) == (1, True)
    assert "second look failed" in found.notes[0]


def test_violations_are_tracked_against_the_loop_before():
    earlier = (Violation("Inertia", "the dot stops dead", where="dot"),
               Violation("Permanence", "a second ring shows up"))  # fmt: skip
    vlm = ScriptedAsker([critique_reply("the dot stops dead again", "colors bleed")])
    found = stages.critique(vlm, made(), SCENE, Method(), earlier=earlier)
    assert [v.status for v in found.violations] == [Status.PERSISTING, Status.NEW]
    assert [v.what for v in found.fixed] == ["a second ring shows up"]
    assert "a second ring shows up" in vlm.asked[0].text


def test_praise_of_a_frozen_clip_is_marked():
    frozen = Clip(np.repeat(moving_clip(1, (48, 48)).frames, 16, axis=0), 8.0)
    vlm = ScriptedAsker([critique_reply(), critique_reply()])
    assert stages.critique(vlm, frozen, SCENE, Method()).still
    still_scene = Scenario("A cup stands.", frozen)
    assert not stages.critique(vlm, frozen, still_scene, Method()).still
    assert not stages.critique(vlm, made(), SCENE, Method()).still


def test_an_unusable_critique_is_none():
    assert stages.critique(ScriptedAsker([RefusedError("no")]), made(), SCENE, Method()) is None


def test_large_videos_are_shrunk_for_the_critic():
    big = moving_clip(4, (100, 200))
    shown, seam = stages.critic_view(big, None, 100)
    assert shown.size == (50, 100)
    assert seam is None
    assert stages.critic_view(big, None, 200)[0] is big


def test_a_prefix_is_shrunk_once_for_all_attempts(monkeypatch):
    from phyrefine.video.large import lazy

    resized = []
    monkeypatch.setattr(
        lazy, "resize", lambda f, *a, **k: resized.append(len(f)) or f[:, :50, :100]
    )
    prefix = moving_clip(6, (100, 200))
    views = [stages.critic_view(moving_clip(4, (100, 200)), prefix, 100) for _ in range(3)]
    assert sorted(resized) == [4, 4, 4, 6]
    assert views[0][0] == views[2][0]
    assert prefix.resize(50, 100).size == (50, 100)
    assert prefix.resize(25, 50, mode="stretch") is not prefix.resize(25, 50, mode="stretch")
