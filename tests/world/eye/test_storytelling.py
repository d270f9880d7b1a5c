"""From findings and words to sentences, in order of time, faults first in their place."""

import numpy as np
import pytest
from filmed import FLOOR, RED, examine, fall, paint, seconds, swinging

from phyrefine.world.eye.describing import sentences as storytelling
from phyrefine.world.eye.describing.phrases import FAULTS, STRESSED, say
from phyrefine.world.eye.measuring.case import Finding
from phyrefine.world.wordings import read_cues

RUBBER = "A red rubber ball is dropped above the floor."
TIMES = seconds(2.4)


def roles(text, case=None):
    return storytelling.cast(read_cues(text), case)


def finding(topic, thing="the red ball", other="the blue ball"):
    return Finding(topic, thing, 3.2, None, 0.8, 0.9, other)


def falling():
    up = fall(TIMES, start=85.0, let_go=0.3, gravity=150.0, bounce=0.75)
    return paint((np.full(len(TIMES), 64.0), up, 5.0, RED))


def told(text):
    return [topic for topic, _ in storytelling.story(roles(text))]


def test_a_drop_is_told_in_order_of_time():
    assert told(RUBBER) == ["fall", "land", "rebound", "decay", "whole"]
    sentences = dict(storytelling.story(roles(RUBBER)))
    assert "two thirds" in sentences["rebound"]
    assert "The red ball falls" in sentences["fall"]


def test_materials_change_the_story():
    wood = dict(storytelling.story(roles("A red wooden ball is dropped.")))
    assert "a third" in wood["rebound"]
    assert "settle" in wood
    clay = dict(storytelling.story(roles("A red clay ball is dropped.")))
    assert "without a rebound" in clay["rebound"]
    assert "decay" not in clay


DROP_WORDS = ("falls faster", "to the floor", "third", "half of", "stick", "sink")


@pytest.mark.parametrize("topic", [*FAULTS])
@pytest.mark.parametrize("again", [False, True])
def test_a_throw_is_told_and_corrected_without_the_words_of_a_drop(topic, again):
    cast = roles("A red rubber ball is thrown from a pedestal.")
    known = frozenset({topic}) if again else frozenset()
    text = storytelling.corrected(cast, [finding(topic)], known)
    assert "moves sideways" in text
    assert [word for word in DROP_WORDS if word in text] == []


def test_a_thrown_lump_of_clay_does_not_go_on():
    clay = dict(storytelling.story(roles("A red clay ball is thrown from a pedestal.")))
    assert list(clay) == ["arc", "bounce on", "whole"]
    assert "without a rebound" in clay["bounce on"]


def test_who_hits_whom():
    cast = roles("A red ball rolls towards a blue ball.")
    assert (cast.kind, cast.a, cast.b) == ("collide", "the red ball", "the blue ball")
    stack = roles("A red ball rolls towards a stack of green blocks.")
    assert (stack.kind, stack.a, stack.b) == ("topple", "the red ball", "the stack")


@pytest.mark.parametrize(
    ("clip", "kind"),
    [
        (falling, "drop"),
        (lambda: paint((*swinging(TIMES), 5.0, RED)), "swing"),
        (lambda: paint((15 + 30 * TIMES, np.full(len(TIMES), FLOOR + 5), 5.0, RED)), "roll"),
    ],
)
def test_without_words_the_motion_says_what_it_is(clip, kind):
    case = examine(clip())
    assert storytelling.cast(case.cues, case).kind == kind


@pytest.mark.parametrize("topic", FAULTS)
def test_a_fault_is_answered_where_it_belongs(topic):
    cast = roles(RUBBER)
    text = storytelling.corrected(cast, [finding(topic)], frozenset())
    stressed = say(STRESSED[topic][0], "the red ball", "the blue ball")
    assert stressed in text
    plain = [sentence for _, sentence in storytelling.story(cast)]
    assert [item for item in plain if item not in text] == []
    broken = FAULTS[topic][2]
    if broken in ("fall", "land", "rebound", "decay", "whole"):
        own = dict(storytelling.story(cast))[broken]
        assert text.index(stressed) < text.index(own)
    elif not broken:
        assert text.startswith(stressed)


def test_a_fault_that_persists_is_answered_in_other_words():
    found = [finding("stick")]
    law, what = storytelling.fault(found[0])
    again = storytelling.persisting(found, f"- {law}: {what} (floor)")
    assert again == {"stick"}
    assert storytelling.persisting(found, "- gravity: The red ball hangs in the air.") == set()
    first, second = (storytelling.corrected(roles(RUBBER), found, p) for p in (frozenset(), again))
    assert say(STRESSED["stick"][1], "the red ball") in second
    assert first != second


def test_nothing_wrong_gives_the_plain_story():
    plain = " ".join(sentence for _, sentence in storytelling.story(roles(RUBBER)))
    assert storytelling.corrected(roles(RUBBER), [], frozenset()) == plain


def test_the_scene_says_where_things_are_and_where_they_go():
    clip = paint((15 + 30 * TIMES, np.full(len(TIMES), FLOOR + 5), 5.0, RED))
    case = examine(clip, description="A red ball rolls.")
    assert storytelling.scene(case) == "The red ball is low on the right and moves to the right."
    resting = examine(falling(), 0.25, RUBBER)
    assert storytelling.scene(resting) == "The red ball is at rest high in the middle."
    assert storytelling.scene(None) == ""


def test_what_is_observed_has_times_and_no_judgement():
    text = storytelling.observed(examine(falling(), 0.0, RUBBER))
    assert text.startswith("The red ball: from 0.0 to ")
    assert "is in flight" in text
    swings = examine(paint((*swinging(TIMES), 5.0, RED)), 0.0, "A red bob on a string.")
    assert "it swings, turning" in storytelling.observed(swings)
    nothing = examine(paint((np.full(20, 60.0), np.full(20, 60.0), 5.0, RED)))
    assert storytelling.observed(nothing) == "No moving object can be made out."
