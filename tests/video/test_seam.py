import numpy as np
import pytest

from phyrefine.video import Clip, check_seam


def ball(start, count, *, speed=2.0, fps=24.0, size=(48, 160)):
    """A white ball moving right on gray, ``speed`` pixels per frame."""
    frames = np.full((count, *size, 3), 90, np.uint8)
    for index in range(count):
        column = int(start + speed * index) % (size[1] - 8)
        frames[index, 20:28, column : column + 8] = 255
    return Clip(frames, fps)


PREFIX = ball(0, 24)
RIGHT = ball(48, 24)


def check(clip, prefix=PREFIX, frames=24, fps=24.0, size=(48, 160)):
    return check_seam(prefix, clip, frames=frames, fps=fps, size=size)


def test_a_true_continuation_passes():
    report = check(RIGHT)
    assert report.ok, report.faults
    assert report.repeated == 0
    assert report.jump == pytest.approx(1.0, abs=0.3)


def test_counts_rates_and_sizes():
    assert "23 frames instead of 24" in check(ball(48, 23)).faults
    assert "12 fps instead of 24" in check(ball(48, 24, fps=12)).faults
    assert "160x48 pixels instead of 80x48" in check(RIGHT, size=(48, 80)).faults
    assert check(RIGHT, size=None).ok


@pytest.mark.parametrize("count", [1, 5])
def test_repeated_prefix_frames_are_counted(count):
    repeating = Clip(np.concatenate([PREFIX.frames[-count:], RIGHT.frames[:-count]]), 24.0)
    report = check(repeating)
    assert report.repeated == count
    assert f"first {count} frames repeat" in report.faults[0]


def test_a_still_scene_repeats_nothing():
    still = Clip(PREFIX.frames[:1].repeat(24, axis=0), 24.0)
    report = check(still, prefix=still)
    assert report.ok
    assert report.repeated == 0


def test_a_jump_is_reported():
    report = check(Clip(255 - RIGHT.frames, 24.0))
    assert report.jump > 4
    assert "jumps" in report.faults[0]


def test_text_to_video_has_no_seam():
    assert check(RIGHT, prefix=None).jump is None


def test_the_models_own_rate_is_compared():
    native = ball(51, 8, speed=6.0, fps=8.0)
    delivered = native.resample(24.0).with_native(native)
    assert check(delivered).ok, check(delivered).faults
