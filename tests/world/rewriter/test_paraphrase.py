"""Paraphrases change the words and keep the statement."""

import re

import pytest
from test_phrases import SENTENCES

from phyrefine.world.eye.describing.phrases import say
from phyrefine.world.rewriter.paraphrase import paraphrase

TOLD = [say(template, "the red ball", "the blue ball") for template in SENTENCES]
DENIES = re.compile(r"\b(?:not|never|no|nothing|without|smoothly|stopped at its surface|stays on "
                    r"top|in view|to the end|stays up|remains)\b")  # fmt: skip


@pytest.mark.parametrize("sentence", TOLD)
def test_objects_numbers_and_denials_survive(sentence):
    for sample in range(4):
        other = paraphrase(sentence, sample)
        for kept in ("red ball", "blue ball", "two thirds", "a third", "half"):
            assert (kept in sentence.lower()) == (kept in other.lower())
        if DENIES.search(sentence):
            assert DENIES.search(other)
        assert other.endswith(".")
        assert other[0].isupper()


def test_the_same_question_gives_the_same_words_and_another_sample_others():
    assert [paraphrase(text) for text in TOLD] == [paraphrase(text) for text in TOLD]
    changed = [text for text in TOLD if paraphrase(text) != text]
    assert len(changed) > 0.5 * len(TOLD)
    assert [paraphrase(text, 0) for text in TOLD] != [paraphrase(text, 1) for text in TOLD]


def test_a_sentence_it_knows_nothing_of_stays():
    assert paraphrase("Two lamps glow.") == "Two lamps glow."
