"""One thing named and one thing seen: nothing to collide with is predicted."""

import json

import numpy as np
import pytest

from phyrefine.refine import prompts
from phyrefine.types import Question
from phyrefine.video.clip import Clip
from phyrefine.world.eye import WorldVLM


def filmed(colors=((210, 40, 40),)):
    rows, columns = np.mgrid[:48, :64]
    frames = np.full((20, 48, 64, 3), (216, 212, 206), np.uint8)
    frames[:, 42:] = (112, 104, 98)
    for index, frame in enumerate(frames):
        for number, color in enumerate(colors):
            where = rows - (8 + 20 * (index / 24) ** 2), columns - 15 - 25 * number
            frame[np.hypot(*where) < 4.5] = color
    return Clip(frames, 24.0)


def predicted(description, clip):
    text = prompts.render(
        "predict_question", prefix_seconds=clip.duration, still=False, seconds=5.0,
        description=description, motion="",
    )  # fmt: skip
    asked = Question("predict", text, clips=(clip,), schema=prompts.schema("predict"))
    return json.loads(WorldVLM().ask(asked).text)["prediction"]


@pytest.mark.parametrize(
    "description",
    ["A red ball falls towards the floor.", "A red ball drops towards the ground.",
     "The red ball falls towards an invisible floor.", "A ball is let go and crashes."],
)  # fmt: skip
def test_one_ball_falls_and_hits_no_other(description):
    said = predicted(description, filmed())
    assert "other object" not in said
    assert "falls" in said


def test_two_balls_still_collide():
    said = predicted(
        "A red ball rolls towards a blue ball.", filmed(((210, 40, 40), (40, 40, 210)))
    )
    assert "hits" in said or "reaches" in said
