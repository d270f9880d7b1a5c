"""Every sentence of the eye is whole, and none is lost on the way through the rewriter."""

import re

import pytest

from phyrefine.world.eye.describing.phrases import FAULTS, PLAIN, STORIES, STRESSED, say
from phyrefine.world.rewriter import choose

A, B = "the red ball", "the blue ball"


def test_every_story_is_told_in_sentences_that_exist():
    assert {topic for story in STORIES.values() for topic in story} <= set(PLAIN)


def test_every_fault_has_two_corrections_and_breaks_a_statement():
    assert set(FAULTS) == set(STRESSED)
    for topic, (law, what, broken) in FAULTS.items():
        assert law
        assert what.endswith(".")
        assert broken == "" or broken in PLAIN
        milder, plainer = STRESSED[topic]
        assert milder != plainer


SENTENCES = [*PLAIN.values(), *(text for pair in STRESSED.values() for text in pair)]


@pytest.mark.parametrize("template", SENTENCES)
def test_sentences_are_whole(template):
    sentence = say(template, A, B)
    assert re.fullmatch(r"[A-Z][^{}]*\.", sentence)
    assert "  " not in sentence


@pytest.mark.parametrize("template", SENTENCES)
def test_the_rewriter_keeps_every_sentence_of_the_eye(template):
    sentence = say(template, A, B)
    assert sentence in choose(["A red ball."], [], [sentence], "", 100)


def test_say_begins_with_a_capital():
    assert say("{a} hits {b}.", "the ball", "a  wall") == "The ball hits a wall."
