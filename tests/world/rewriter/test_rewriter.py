"""The rewriter chooses and orders sentences, within a limit, and invents none."""

import json

import pytest
from attrs import evolve

from phyrefine.protocols import LLM
from phyrefine.refine import prompts, replies
from phyrefine.refine.stages import Method, compose
from phyrefine.testing import check_llm
from phyrefine.types import GeneratorProfile, Prediction, Question, Scenario
from phyrefine.world.rewriter import WorldLLM, choose, sentences, shape

SCENE = "A red rubber ball is let go above the floor."
FALLS = "The red ball falls straight down and becomes faster and faster under gravity."
BOUNCES = "The red ball bounces back up to about two thirds of the height it fell from."
STAYS = "The red ball stays visible the whole time and keeps its shape, size and colour."
STRESSED = "The red ball does not stick to the floor: it bounces back up."
TOLD = f"{FALLS} {STRESSED} {BOUNCES} {STAYS}"


def question(told=TOLD, *, limit=200, violations="", motion="", style="prose", scene=SCENE):
    text = prompts.render(
        "compose_question", seconds=5.0, description=scene, physics_text=told,
        violations=[{"what": line} for line in violations.splitlines()], motion=motion,
        previous_prompt="", insist=False, style=style, limit=limit, negative=False,
    )  # fmt: skip
    return Question("compose", text, schema=prompts.schema("compose"))


def written(*args, variant="extractive", sample=0, **settings):
    answer = WorldLLM(variant).ask(evolve(question(*args, **settings), sample=sample))
    return replies.read_prompt(answer.text)[0]


@pytest.mark.parametrize("variant", ["extractive", "paraphrase"])
def test_contract(variant):
    check_llm(WorldLLM(variant), question=question())
    check_llm(WorldLLM(variant))
    assert isinstance(WorldLLM(variant), LLM)
    assert variant in WorldLLM(variant).identity


def test_usage_costs_nothing_and_takes_time():
    usage = WorldLLM().ask(question()).usage
    assert usage.usd == 0.0
    assert usage.calls == 1
    assert usage.seconds > 0.0


def test_every_sentence_was_there_before():
    told = sentences(written(violations="The red ball sticks to the floor without a rebound."))
    assert set(told) <= {SCENE, *sentences(TOLD)}
    assert len(told) == len(set(told)) == 5


@pytest.mark.parametrize("limit", [12, 25, 40, 80])
def test_the_limit_is_kept_in_whole_sentences(limit):
    told = written(limit=limit)
    assert len(told.split()) <= limit
    assert set(sentences(told)) <= {SCENE, *sentences(TOLD)}
    assert told.startswith(SCENE)


def test_the_scene_is_kept_even_when_it_is_too_long():
    assert written(limit=3) == SCENE


def test_what_answers_a_fault_comes_before_what_does_not():
    short = {"limit": len(f"{SCENE} {STRESSED}".split()) + 2}
    assert STRESSED not in sentences(written(**short))
    fault = "The red ball sticks to the floor without a rebound."
    assert written(violations=fault, **short) == f"{SCENE} {STRESSED}"


def test_time_order_within_the_answers():
    late, early = "It never vanishes.", "It never hangs in the air on its way down."
    faults = "The ball vanishes.\nThe ball hangs in the air."
    assert choose([SCENE], [], [early, FALLS, late], faults, 100) == [SCENE, early, late, FALLS]


def test_measured_motion_comes_right_after_the_scene():
    motion = "The ball moves to the right at one width per second."
    told = sentences(written(motion=motion))
    assert told[:2] == [SCENE, motion]


def test_talk_of_videos_and_laws_is_left_out():
    talk = "This video violates Newton's laws. The ball is low in the middle."
    told = written(f"{talk} {TOLD}")
    assert "video" not in told
    assert "low in the middle" not in told
    assert FALLS in told


def test_a_text_of_nothing_but_states_is_kept():
    assert "The ball is at rest." in written("The ball is at rest.")


def test_a_repeated_scene_is_said_once():
    assert written(f"{SCENE} {FALLS}").count(SCENE) == 1


def test_a_plain_question_gets_plain_text():
    plain = evolve(question(), schema=None)
    answer = WorldLLM().ask(plain).text
    assert answer.startswith(SCENE)
    untagged = WorldLLM().ask(Question("compose", "A ball falls. It bounces.")).text
    assert untagged == "A ball falls. It bounces."


def test_json_and_timed_styles():
    structured = json.loads(json.loads(WorldLLM().ask(question(style="json")).text)["prompt"])
    assert structured["scene"] == SCENE
    assert structured["end"] == STAYS
    timed = shape([SCENE, FALLS, STAYS], "timed", [SCENE], 4.0)
    assert timed == f"[0.0-4.0] {SCENE} [0.0-2.0] {FALLS} [2.0-4.0] {STAYS}"


def test_paraphrases_keep_the_scene_and_the_limit():
    extract = written()
    first, again, other = (written(variant="paraphrase", sample=n) for n in (0, 0, 1))
    assert first == again
    assert len({extract, first, other}) == 3
    for text in (first, other):
        assert text.startswith(SCENE)
        assert "two thirds" in text
    assert len(written(variant="paraphrase", limit=40).split()) <= 40


def test_sentences_end_where_they_end():
    assert sentences("It falls 1.5 m. Then it rests") == ["It falls 1.5 m.", "Then it rests."]
    assert sentences("Does it fall? Yes!") == ["Does it fall?", "Yes!"]
    assert sentences("  ") == []


def test_the_loops_own_rewrite_stage_takes_it():
    prediction = Prediction(TOLD, events=(), domains=("solid mechanics",))
    profile = GeneratorProfile("tiny", fps=8.0, context_frames=8)
    prompt = compose(WorldLLM(), prediction, Scenario(SCENE), profile, Method())
    assert FALLS in prompt.text
    assert not prompt.notes
