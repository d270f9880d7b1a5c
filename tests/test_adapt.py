"""Names, objects and bare functions become backends."""

import numpy as np
import pytest

from phyrefine.adapt import FunctionAsker, FunctionGenerator, as_generator, as_llm, as_vlm
from phyrefine.errors import GenerationError, InvalidInputError, UnknownBackendError
from phyrefine.testing import MovingDot, ScriptedAsker, check_generator, check_llm, moving_clip
from phyrefine.types import Answer, GeneratorProfile, Prompt, Question, Shot, Usage
from phyrefine.video.clip import Clip

SHOT = Shot(Prompt("p"), moving_clip(8), seconds=1.0, fps=8.0, size=(16, 24), seed=2)


def noise(shot):
    rng = np.random.default_rng(shot.seed)
    return rng.integers(0, 256, (shot.frames, 20, 30, 3), dtype=np.uint8)


def test_objects_pass_through():
    generator, asker = MovingDot(), ScriptedAsker(["x"])
    assert as_generator(generator) is generator
    assert as_vlm(asker) is asker
    assert as_llm(asker) is asker


def test_names_are_looked_up():
    assert as_vlm("world").identity.startswith("world")
    with pytest.raises(UnknownBackendError, match="Did you mean 'world'"):
        as_llm("wrold")


def test_a_function_keeps_the_generators_contract():
    made = as_generator(noise)
    assert isinstance(made, FunctionGenerator)
    clip = check_generator(made)
    assert clip.native.size == (20, 30)  # delivered at the asked size, kept as made


def test_floats_tensors_images_and_clips_are_frames():
    whole = Clip(noise(SHOT), 8.0)
    expected = FunctionGenerator(noise).generate(SHOT)
    assert FunctionGenerator(lambda shot: whole).generate(SHOT) == expected
    assert FunctionGenerator(lambda shot: whole.frames / 255.0).generate(SHOT) == expected
    pytest.importorskip("PIL")
    assert FunctionGenerator(lambda shot: whole.to_images()).generate(SHOT) == expected


def test_the_profile_gives_the_functions_own_rate():
    slow = FunctionGenerator(lambda shot: noise(shot)[:4], GeneratorProfile("slow", fps=4.0))
    clip = slow.generate(SHOT)
    assert (len(clip), clip.fps, len(clip.native), clip.native.fps) == (8, 8.0, 4, 4.0)


@pytest.mark.parametrize(
    ("made", "said"),
    [(lambda shot: None, "returned no usable video"), (lambda shot: noise(shot)[:2], "0.25 s")],
)
def test_what_is_no_video_is_a_generation_error(made, said):
    with pytest.raises(GenerationError, match=said):
        FunctionGenerator(made).generate(SHOT)


def test_a_function_answers():
    question = Question("compose", "text")
    assert as_llm(lambda q: q.text.upper()).ask(question) == Answer("TEXT", usage=Usage(1))
    whole = Answer("x", "model-1", Usage(1))
    assert as_vlm(lambda q: whole).ask(question) is whole


def test_an_edited_function_is_another_backend():
    one, two = FunctionAsker(lambda q: "1"), FunctionAsker(lambda q: "2 edited")
    assert one.identity != two.identity
    assert FunctionGenerator(noise).identity == FunctionGenerator(noise).identity

    def saying(word):
        return lambda q: word

    assert FunctionAsker(saying("a")).identity != FunctionAsker(saying("b")).identity
    assert FunctionAsker(saying("a")).identity == FunctionAsker(saying("a")).identity
    assert " at 0x" not in FunctionAsker(print).identity


@pytest.mark.parametrize("value", [3, None, object()])
def test_everything_else_is_refused(value):
    for adapt, said in ((as_vlm, "no VLM"), (as_llm, "no LLM"), (as_generator, "no video gen")):
        with pytest.raises(InvalidInputError, match=said):
            adapt(value)


def test_a_function_of_a_question_keeps_the_askers_contract():
    check_llm(as_llm(lambda q: Answer("said", "model-1", Usage(calls=1))))


class _Output:
    frames = ()


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "return the frames"),
        ("out.mp4", r"Clip\.read\(path\)"),
        (b"mp4", r"Clip\.from_bytes"),
        ({"video": 1}, "a dictionary with 'video'"),
        ((frame for frame in ()), r"list\(frames\)"),
        (_Output(), r"output\.frames\[0\]"),
        (np.zeros((1, 8, 4, 4, 3), np.uint8), "batch of 1 videos"),
    ],
)
def test_what_is_no_video_is_answered_with_what_to_return(returned, words):
    generator = as_generator(lambda shot: returned)
    with pytest.raises(GenerationError, match=words):
        generator.generate(Shot(Prompt("x"), moving_clip(8), seconds=1.0, fps=8.0))
