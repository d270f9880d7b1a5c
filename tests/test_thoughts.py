"""A reasoning model's thoughts never become a prompt, whatever tags they stand in."""

import pytest

from phyrefine._thoughts import opens_thoughts, without_thoughts
from phyrefine.refine import replies

ANSWER = "A ball falls and bounces twice."
THOUGHTS = 'Okay, the user wants a prompt. Let me think {"prompt": "no"} about gravity.'


@pytest.mark.parametrize(
    "text",
    [
        ANSWER,
        f"<think>{THOUGHTS}</think>\n\n{ANSWER}",
        f"{THOUGHTS}\n</think>\n{ANSWER}",
        f"<think>\n\n</think>\n\n{ANSWER}",
        f"<thinking>{THOUGHTS}</thinking>{ANSWER}",
        f"{THOUGHTS} </thinking> {ANSWER}",
        f"<think>{THOUGHTS}</think> wait <think>{THOUGHTS}</think> {ANSWER}",
        f"<Thought>{THOUGHTS}</Thought>{ANSWER}",
        f"<reasoning>{THOUGHTS}</reasoning>\n{ANSWER}",
        f"<seed:think>{THOUGHTS}</seed:think>{ANSWER}",
        f"<antThinking>{THOUGHTS}</antThinking>{ANSWER}",
        f"<inner_voice>{THOUGHTS}</inner_voice>{ANSWER}",
        f"[THINK]{THOUGHTS}[/THINK]{ANSWER}",
        f"{THOUGHTS}[/THINK]{ANSWER}",
        f"◁think▷{THOUGHTS}◁/think▷{ANSWER}",
        f"<|START_THINKING|>{THOUGHTS}<|END_THINKING|><|START_RESPONSE|>{ANSWER}<|END_RESPONSE|>",
        f"<|begin_of_thought|>{THOUGHTS}<|end_of_thought|>\n{ANSWER}",
        f"<|channel>thought\n{THOUGHTS}<channel|>{ANSWER}",
        f"<unused94>thought\n{THOUGHTS}<unused95>{ANSWER}",
        (
            f"<|channel|>analysis<|message|>{THOUGHTS}<|end|><|start|>assistant<|channel|>final"
            f"<|message|>{ANSWER}<|return|>"
        ),
        (
            f"<|channel|>analysis<|message|>{THOUGHTS}<|end|><|start|>assistant<|channel|>final "
            f"<|constrain|>json<|message|>{ANSWER}"
        ),
        f"analysisThe user wants it. {THOUGHTS}assistantfinal{ANSWER}",
        f"<think>{THOUGHTS}</think><answer>{ANSWER}</answer>",
        f"<answer>{ANSWER}</answer>",
        f"{ANSWER}\n<think>Did I say it right?</think>",
    ],
)
def test_the_answer_is_what_is_left(text):
    assert without_thoughts(text).strip() == ANSWER
    assert replies.read_prompt(text) == (ANSWER, "")


@pytest.mark.parametrize(
    "text",
    [f"<think>{THOUGHTS}", f"<thinking>\n{THOUGHTS}", f"[THINK]{THOUGHTS}", "<think></think>",
     f"{THOUGHTS}</think>", f"<|channel|>analysis<|message|>{THOUGHTS}"],
)  # fmt: skip
def test_thoughts_alone_are_no_answer(text):
    assert without_thoughts(text).strip() == ""


@pytest.mark.parametrize(
    "text",
    ["analysis of the ball: it falls.", "The ball falls <5 cm, then rests > 1 s.",
     '{"a": "<b>bold</b>"}', "<b>Bold</b>", "I think </thin> is no tag."],
)  # fmt: skip
def test_what_are_no_thoughts_stays(text):
    assert without_thoughts(text) == text


def test_long_thoughts_do_not_push_the_answer_out():
    text = f"<think>{'hm ' * 30_000}</think>{ANSWER}"
    assert replies.read_prompt(text) == (ANSWER, "")


@pytest.mark.parametrize(
    ("prompt", "opens"),
    [
        ("<|im_start|>assistant\n<think>\n", True),
        ("assistant [THINK]", True),
        ("assistant ◁think▷", True),
        ("<think>\n\n</think>\n\n", False),
        ("Write <think> tags. Assistant:", False),
    ],
)
def test_a_template_that_opens_thoughts(prompt, opens):
    assert opens_thoughts(prompt) is opens
