"""A refused prompt goes back to the rewriter once, and the run goes on."""

from __future__ import annotations

import json

import pytest

from phyrefine import Scenario, SelfRefiner
from phyrefine.errors import BlockedError
from phyrefine.refine.convergence import MaxLoops
from phyrefine.refine.stages import Method
from phyrefine.testing import MovingDot, moving_clip
from phyrefine.types import Answer, Usage

SCENARIO = Scenario("A gun fires at a wall.", moving_clip(24), seconds=1.0)


class Prudish(MovingDot):
    """Refuses a word."""

    identity = "prudish"

    def generate(self, shot):
        if "gun" in shot.prompt.text:
            raise BlockedError("not that word", provider="prudish", where="prompt")
        return super().generate(shot)


class Rewriter:
    identity = "rewriter"

    def __init__(self, text):
        self.text = text
        self.asked = []

    def ask(self, question):
        self.asked.append(question.text)
        return Answer(json.dumps({"prompt": self.text, "negative": ""}), "rewriter", Usage(calls=1))


def refine(rewriter, **settings):
    refiner = SelfRefiner(
        "world",
        rewriter,
        Prudish(),
        convergence=MaxLoops(1),
        ensemble="last",
        method=Method(plan=False),
        **settings,
    )
    return refiner.refine(SCENARIO)


def test_the_plain_description_is_reworded_once_and_the_run_goes_on():
    rewriter = Rewriter("A small dot moves to a wall.")
    refinement = refine(rewriter)
    plain, loop = refinement.attempts
    assert plain.baseline
    assert plain.prompt.text == "A small dot moves to a wall."
    assert "the service refused 'A gun fires at a wall.'" in plain.notes[-1]
    assert not any("the service refused" in note for note in loop.notes)
    asked = [text for text in rewriter.asked if "refused this prompt" in text]
    assert len(asked) == 1
    assert "not that word" in asked[0]


def test_words_that_are_refused_again_end_the_run_with_the_reason():
    with pytest.raises(BlockedError, match="not that word"):
        refine(Rewriter("A gun, again."))
