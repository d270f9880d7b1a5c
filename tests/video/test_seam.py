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


def quiet(count, *, start=0.0, size=(96, 160), step=3.0):
    """A small square (1 % of the picture) that moves slowly over fixed texture."""
    texture = np.random.default_rng(5).integers(60, 120, (*size, 1)).astype(np.uint8)
    frames = np.repeat(np.repeat(texture, 3, axis=2)[None], count, axis=0)
    for index in range(count):
        column = int(start + step * index) % (size[1] - 14)
        frames[index, 40:54, column : column + 14] = 220
    return frames


LONG = quiet(40)
AFTER = quiet(60, start=120.0)


def lighter(frames):
    return np.clip(frames.astype(int) + 2, 0, 255).astype(np.uint8)


def encoded(frames):
    return Clip.from_bytes(Clip(frames, 24.0).to_bytes(quality=20)).frames


@pytest.mark.parametrize("change", [lambda frames: frames, lighter, encoded])
@pytest.mark.parametrize("count", [1, 2, 6, 30, 40])
def test_repeats_are_found_in_quiet_scenes_and_in_copies(count, change):
    clip = Clip(change(np.concatenate([LONG[-count:], AFTER])), 24.0)
    assert check_seam(Clip(LONG, 24.0), clip, frames=len(clip), fps=24.0).repeated == count


def test_the_first_frames_of_the_prefix_are_a_repeat_too():
    clip = Clip(np.concatenate([LONG[:9], AFTER]), 24.0)
    assert check_seam(Clip(LONG, 24.0), clip, frames=len(clip), fps=24.0).repeated == 9


def test_repeats_are_counted_at_the_native_rate():
    native = Clip(np.concatenate([LONG[::3][-5:], AFTER[::3]]), 8.0)
    clip = native.resample(24.0).with_native(native)
    assert check_seam(Clip(LONG, 24.0), clip, frames=len(clip), fps=24.0).repeated == 5


def swing(first, count, period):
    frames = np.full((count, 48, 96, 3), 60, np.uint8)
    for index in range(count):
        column = int(40 + 35 * np.sin(2 * np.pi * (first + index) / period))
        frames[index, 20:28, column : column + 8] = 240
    return frames


@pytest.mark.parametrize("period", [18, 24, 36, 50])
@pytest.mark.parametrize("seam", [40, 45, 48, 54, 61])
def test_a_swing_that_comes_back_is_no_repeat(period, seam):
    prefix, clip = Clip(swing(0, seam, period), 24.0), Clip(swing(seam, 60, period), 24.0)
    assert check_seam(prefix, clip, frames=60, fps=24.0).repeated == 0


def test_an_honest_continuation_of_a_quiet_scene_is_silent():
    assert (
        check_seam(Clip(LONG, 24.0), Clip(encoded(AFTER), 24.0), frames=60, fps=24.0).repeated == 0
    )


@pytest.mark.parametrize("rate", [8.0, 12.0, 16.0])
@pytest.mark.parametrize("period", [24, 36])
@pytest.mark.parametrize("seam", [42, 45, 48, 54, 60])
def test_an_honest_continuation_at_a_lower_rate_is_silent(rate, period, seam):
    prefix, after = Clip(swing(0, seam, period), 24.0), Clip(swing(seam, 60, period), 24.0)
    native = after.resample(rate)
    assert check_seam(prefix, native, frames=len(native), fps=rate).repeated == 0


def test_a_turning_point_at_the_seam_is_no_repeat():
    def thrown(first, count):
        times = (np.arange(first, first + count) - 22.5) / 24  # highest between two looks at 8 fps
        frames = np.full((count, 96, 64, 3), 60, np.uint8)
        for index, row in enumerate(10 + 120 * times**2):
            frames[index, int(row) : int(row) + 10, 28:38] = 240
        return Clip(frames, 24.0)

    native = thrown(24, 48).resample(8.0)
    assert check_seam(thrown(0, 24), native, frames=len(native), fps=8.0).repeated == 0
