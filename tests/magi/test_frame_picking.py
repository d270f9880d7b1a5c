"""Which frames of a prefix the model sees, against stored tables of the original's filter."""

from fractions import Fraction

import numpy as np
import pytest

from phyrefine.errors import InvalidInputError, VideoError
from phyrefine.magi.media import Quirks, fps_indices, prefix_frames

from .goldens import read_json

TABLES = [
    pytest.param(table, id=f"{table['source_rate']}-{table['source_frames']}")
    for table in read_json("fps_filter")
]


def numbered(count):
    """Frames (1 x 1 pixels) that carry their index."""
    return np.arange(count, dtype=np.uint8)[:, None, None, None].repeat(3, 3)


def seen(count, rate, **options):
    settings = {"fps": 24, "size": (1, 1), "quirks": Quirks()} | options
    return prefix_frames(numbered(count), rate, **settings)[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("table", TABLES)
def test_the_filter_s_tables(table):
    rate, fps = Fraction(table["source_rate"]), table["target_fps"]
    picked = fps_indices(table["source_frames"], rate, fps).tolist()
    assert picked == table["selected_source_frames"]


@pytest.mark.parametrize("table", TABLES)
def test_the_original_s_prefix_by_its_switch(table):
    rate, fps = Fraction(table["source_rate"]), table["target_fps"]
    wanted = table["official_prefix_32"]
    # A latent holds four frames; what is left over is dropped by the original's encoder too.
    whole = wanted[: len(wanted) // 4 * 4]
    quirks = Quirks(first_frames=True)
    assert seen(table["source_frames"], rate, fps=fps, quirks=quirks) == whole


def test_three_seconds_at_30_are_72_frames_and_end_with_the_last():
    frames = seen(90, 30)
    assert len(frames) == 72
    assert frames[-1] == 89
    assert frames == sorted(frames)
    assert frames[0] <= 1


@pytest.mark.parametrize(("count", "kept"), [(72, 72), (71, 68), (33, 32), (200, 72), (4, 4)])
def test_the_last_frames_in_whole_latents(count, kept):
    assert seen(count, 24) == list(range(count - kept, count))


@pytest.mark.parametrize("rate", [23.976, Fraction(30000, 1001), 59.94])
def test_broadcast_rates_end_with_the_last_frame(rate):
    frames = seen(120, rate)
    assert frames[-1] == 119
    steps = np.diff(frames)
    assert steps.max() - steps.min() <= 1


def test_one_frame_is_an_image_at_any_rate():
    assert seen(1, 7) == [0]


def test_a_shorter_prefix_can_be_asked_for():
    assert seen(72, 24, most=24) == list(range(48, 72))
    with pytest.raises(InvalidInputError, match="multiple of 4 from 4 on, not 30"):
        seen(72, 24, most=30)


def test_too_short_a_video_is_refused():
    with pytest.raises(VideoError, match="has 3 frames at 24 fps"):
        seen(3, 24)


def test_pictures_are_cropped_to_the_size_or_stretched_by_a_switch():
    """A bright left edge is cropped away from a wide picture, and stretched into the frame."""
    wide = np.zeros((1, 16, 64, 3), np.uint8)
    wide[:, :, :16] = 255
    cropped = prefix_frames(wide, 24, fps=24, size=(16, 16), quirks=Quirks())
    stretched = prefix_frames(wide, 24, fps=24, size=(16, 16), quirks=Quirks(stretch=True))
    assert cropped.shape == stretched.shape == (1, 16, 16, 3)
    assert cropped.max() == 0
    assert stretched[0, 8, 0, 0] > 200
