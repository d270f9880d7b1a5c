import numpy as np
import pytest

from phyrefine.errors import VideoError
from phyrefine.testing import moving_clip
from phyrefine.video import Clip, context, deliver, native_size
from phyrefine.video.frames import fit_box

PREFIX = Clip(np.arange(72, dtype=np.uint8)[:, None, None, None].repeat(3, 3) * np.ones(
    (1, 16, 24, 1), np.uint8), 24.0)  # fmt: skip


def shown(clip):
    return clip.frames[:, 0, 0, 0].tolist()


def test_the_last_frames_condition_the_model():
    assert shown(context(PREFIX, fps=24, frames=5)) == [67, 68, 69, 70, 71]
    assert shown(context(PREFIX, fps=24)) == list(range(72))


@pytest.mark.parametrize(
    ("fps", "frames", "rate", "taken"),
    [
        (24, 72, 8, [48, 51, 54, 57, 60, 63, 66, 69]),
        (24, 72, 16, [60, 62, 63, 65, 66, 68, 69, 71]),
        (24, 72, 48, [68, 68, 69, 69, 70, 70, 71, 71]),
        (8, 24, 8, [16, 17, 18, 19, 20, 21, 22, 23]),
        (30, 90, 8, [60, 64, 68, 71, 75, 79, 83, 86]),
        (25, 75, 24, [67, 68, 69, 70, 71, 72, 73, 74]),
        (4, 4, 8, [0, 0, 1, 1, 2, 2, 3, 3]),
        (24, 8, 8, [2, 5]),
        (24, 1, 8, [0]),
        (1000, 1, 24, [0]),
    ],
)
def test_the_frame_after_the_last_one_is_the_seam(fps, frames, rate, taken):
    numbered = (
        np.zeros((frames, 4, 4, 3), np.uint8)
        + np.arange(frames, dtype=np.uint8)[:, None, None, None]
    )
    read = context(Clip(numbered, fps), fps=rate, frames=8)
    assert read.fps == rate
    assert shown(read) == taken


def test_grids_cut_at_the_front():
    assert shown(context(PREFIX, fps=24, multiple=8, offset=1))[0] == 7  # 65 = 8 x 8 + 1
    assert len(context(PREFIX, fps=24, frames=20, multiple=8, offset=1)) == 17
    assert len(context(PREFIX, fps=24, frames=8, multiple=8)) == 8


def test_too_short_prefixes_say_what_is_needed():
    with pytest.raises(VideoError, match="at least 8"):
        context(PREFIX.seconds(-0.1), fps=24, multiple=8)
    assert len(context(PREFIX.seconds(-0.05), fps=8)) == 1  # one frame is always the last


def test_sizes_are_fitted():
    assert context(PREFIX, fps=24, frames=1, size=(8, 8)).size == (8, 8)
    assert native_size((480, 720), (100, 100), PREFIX) == (480, 720)
    assert native_size(None, (100, 150), None, multiple=16) == (96, 144)
    assert native_size(None, None, PREFIX, multiple=16) == (16, 32)
    assert native_size(None, (3, 3), None, multiple=16) == (16, 16)
    with pytest.raises(VideoError, match="give the scenario a size"):
        native_size(None, None, None)


def test_fit_box_is_the_largest_centered_crop():
    assert fit_box(100, 200, 10, 10) == (0, 50, 100, 100)
    assert fit_box(200, 100, 10, 20) == (75, 0, 50, 100)


def test_delivery_is_exact_and_keeps_native():
    native = moving_clip(40, (32, 32), 8.0)
    made = deliver(native, frames=120, fps=24.0, size=(30, 50))
    assert (len(made), made.fps, made.size) == (120, 24.0, (30, 50))
    assert made.native == native
    same = deliver(native, frames=40, fps=8.0, size=None)
    assert same == native


def test_delivery_cuts_what_is_too_long_and_holds_what_rounding_misses():
    native = moving_clip(49, (32, 32), 8.0)
    assert len(deliver(native, frames=120, fps=24.0, size=None).native) == 40
    short = moving_clip(39, (32, 32), 8.0)
    made = deliver(short, frames=120, fps=24.0, size=None)
    assert np.array_equal(made.frames[-1], short.frames[-1])
    with pytest.raises(VideoError, match=r"4\.50 s"):
        deliver(moving_clip(36, (32, 32), 8.0), frames=120, fps=24.0, size=None)
