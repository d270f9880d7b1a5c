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


def test_a_cut_to_another_shot_is_told():
    rng = np.random.default_rng(0)
    one = np.repeat(rng.integers(0, 90, (1, 36, 64, 3)), 24, axis=0)
    two = np.repeat(rng.integers(150, 255, (1, 36, 64, 3)), 24, axis=0)
    noise = rng.integers(0, 4, (48, 36, 64, 3))
    clip = Clip((np.concatenate([one, two]) + noise).clip(0, 255).astype(np.uint8), 24.0)
    assert noted(clip, seconds=2.0) == ("a cut to another shot at 1.00 s",)


def test_fast_motion_and_a_change_of_light_are_no_cut():
    frames = np.full((48, 36, 64, 3), 60, np.uint8)
    for index in range(48):
        column = 12 * index % 40
        frames[index, 8:30, column : column + 24] = 220
    assert not any("cut" in note for note in noted(Clip(frames, 24.0), seconds=2.0))
    light = moving_clip(48, (36, 64), 24.0).frames.astype(float)
    light += np.linspace(0, 120, 48)[:, None, None, None]
    assert not any(
        "cut" in note for note in noted(Clip(light.clip(0, 255).astype(np.uint8), 24.0), 2.0)
    )
