"""Equal requests to equal backends share a key; whatever changes the result changes the key."""

import threading
import time

import pytest
from attrs import evolve
from run_helpers import noise

from phyrefine.errors import InvalidInputError
from phyrefine.run.store.keys import Turns, request_key
from phyrefine.testing import MovingDot, ScriptedAsker, moving_clip
from phyrefine.types import Prompt, Question, Shot

QUESTION = Question(
    "critique", "what is wrong?", "K", (moving_clip(),), ("video",), 1.0, {"type": "object"}, 0
)
SHOT = Shot(Prompt("a"), moving_clip(), options={"a": [1, {"b": 2}]})


def ask_key(question, name="scripted"):
    return request_key(question.stage, ScriptedAsker([""], identity=name), "ask", question)


def test_equal_requests_share_a_key():
    again = evolve(QUESTION, clips=(moving_clip(),), schema={"type": "object"})
    assert ask_key(again) == ask_key(QUESTION)
    assert ask_key(QUESTION).startswith("critique-")


@pytest.mark.parametrize(
    "change",
    [
        {"text": "what?"},
        {"instruction": ""},
        {"clips": (noise(),)},
        {"clips": (moving_clip().with_native(noise()),)},
        {"clips": (evolve(moving_clip(), fps=9),)},
        {"labels": ("clip",)},
        {"seam": 1.5},
        {"seam": None},
        {"schema": None},
        {"schema": {"type": "array"}},
        {"sample": 1},
        {"stage": "judge"},
    ],
)
def test_every_field_of_a_question_counts(change):
    assert ask_key(evolve(QUESTION, **change)) != ask_key(QUESTION)


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": Prompt("b")},
        {"prompt": Prompt("a", "blur")},
        {"prefix": None},
        {"seconds": 4.0},
        {"fps": 25.0},
        {"size": (8, 8)},
        {"seed": 1},
        {"steps": 16},
        {"accepted": (noise(),)},
        {"state": b"\x00"},
        {"chunk_prompts": (Prompt("c"),)},
        {"chunk_seeds": (1,)},
        {"options": {"a": [1, {"b": 3}]}},
    ],
)
def test_every_field_of_a_shot_counts(change):
    dot = MovingDot()
    assert request_key("", dot, "generate", evolve(SHOT, **change)) != request_key(
        "", dot, "generate", SHOT
    )


def test_backend_and_method_count():
    assert ask_key(QUESTION, "other") != ask_key(QUESTION)
    dot = MovingDot()
    assert request_key("", dot, "generate", SHOT) != request_key("", dot, "stream", SHOT)


@pytest.mark.parametrize("value", [object(), float("nan")])
def test_what_json_cannot_hold_is_named(value):
    with pytest.raises(InvalidInputError, match="This Shot holds a value that JSON cannot"):
        request_key("", MovingDot(), "generate", evolve(SHOT, options={"x": value}))


def test_one_at_a_time_on_a_key_and_together_on_others():
    turns, inside, most = Turns(), [], []

    def work(key):
        with turns.take(key):
            inside.append(key)
            most.append((inside.count(key), len(inside)))
            time.sleep(0.02)
            inside.remove(key)

    threads = [threading.Thread(target=work, args=(key,)) for key in "aaabbb"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(same for same, _ in most) == 1
    assert max(together for _, together in most) == 2
    assert not turns._waiting
