import numpy as np

from phyrefine.testing import moving_clip
from phyrefine.video import Clip, deliver
from phyrefine.video.checks.symptoms import symptoms


def noted(native, seconds=1.0, fps=24.0):
    frames = round(seconds * fps)
    return symptoms(deliver(native, frames=frames, fps=fps, size=None), frames=frames, fps=fps)


def test_an_ordinary_clip_has_none():
    assert noted(moving_clip(8, fps=8.0)) == ()
    assert noted(moving_clip(24, fps=24.0)) == ()


def test_a_short_clip_is_told():
    (note,) = noted(moving_clip(18, fps=24.0))
    assert note == "the generator made 0.75 s of 1.00 s: the last frame is held for 0.25 s"


def test_one_frame_too_few_of_an_image_service_is_told():
    assert "made 4.96 s of 5.00 s" in noted(moving_clip(119, fps=24.0), seconds=5.0)[0]


def test_black_frames_are_told():
    assert noted(Clip(np.ones((8, 16, 16, 3), np.uint8), 8.0)) == ("all frames are black",)


def test_a_frozen_ending_is_told():
    moving = moving_clip(16, fps=16.0).frames.copy()
    moving[10:] = moving[10]
    (note,) = noted(Clip(moving, 16.0))
    assert note == "the last 0.31 s are one picture, repeated"


def test_a_clip_that_stands_still_throughout_is_the_critics_matter():
    assert noted(Clip(np.full((16, 16, 16, 3), 90, np.uint8), 16.0)) == ()
