import pytest

from phyrefine.refine.dialects import wording
from phyrefine.types import GeneratorProfile

PROSE = GeneratorProfile("prose", prompt_words=12)
count = wording.token_counter(None)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Here is your prompt: A ball falls.", "A ball falls."),
        ("Sure, here's the video prompt:\nA ball falls.", "A ball falls."),
        ("Prompt: A ball falls.", "A ball falls."),
        ('"A ball falls."', "A ball falls."),
        ("```\nA ball falls.\n```", "A ball falls."),
        ("**A ball** falls.", "A ball falls."),
        ("A ball falls. It lands. A ball falls.", "A ball falls. It lands."),
        ("A   ball\nfalls.", "A ball falls."),
    ],
)
def test_tidy(said, meant):
    assert wording.tidy(said, "prose") == meant


def test_json_keeps_its_quotes():
    assert wording.tidy('```json\n{"scene": "a_b"}\n```', "json") == '{"scene": "a_b"}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"scene": "x"}',
        "The ball violates gravity.",
        "Unlike the previous video, the ball falls.",
        "By Newton's second law the ball falls.",
        "Conservation of energy lets the ball slow.",
        "A ```ball``` falls.",
        "one two three four five six seven eight nine ten eleven twelve thirteen",
    ],
)
def test_problems_of_prose(text):
    assert len(wording.problems(text, PROSE, count)) >= 1


def test_good_prose_has_no_problems():
    assert (
        wording.problems("The ball falls, speeds up and bounces lower each time.", PROSE, count)
        == []
    )
    twelve = " ".join(["ball"] * 12)
    assert wording.problems(twelve, PROSE, count) == []


def test_token_limits_use_the_generators_own_tokenizer():
    class Counts:
        def count_tokens(self, text):
            return len(text)

    own = wording.token_counter(Counts())
    profile = GeneratorProfile("t", prompt_tokens=5)
    assert wording.problems("abcde", profile, own) == []
    assert "6 tokens" in wording.problems("abcdef", profile, own)[0]


def test_word_limit_is_the_tightest():
    assert wording.word_limit(GeneratorProfile("x")) == wording.DEFAULT_WORDS
    assert wording.word_limit(GeneratorProfile("x", prompt_words=40)) == 40
    assert wording.word_limit(GeneratorProfile("x", prompt_words=400)) == 400
    assert wording.word_limit(GeneratorProfile("x", prompt_tokens=54, prompt_words=100)) == 40


def test_force_drops_leaks_then_cuts_at_a_sentence():
    text = "A ball falls. It violates gravity. It hits the floor now. It bounces lower and lower again."
    forced, notes = wording.force(text, PROSE, count)
    assert forced == "A ball falls. It hits the floor now."
    assert len(notes) == 2
    assert wording.problems(forced, PROSE, count) == []


def test_force_cuts_one_endless_sentence_between_words():
    forced, notes = wording.force("word, " * 50, PROSE, count)
    assert len(forced.split()) <= 12
    assert forced.endswith(".")
    assert "inside a sentence" in notes[0]
