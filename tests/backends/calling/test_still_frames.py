"""Which frames stand for a clip, and what is kept for a second question about it."""

import io
import threading

import numpy as np
import pytest

from phyrefine.backends.calling.media import (
    Recent,
    chosen_frames,
    early_excerpt,
    encoded,
    frame_count,
    stills,
    within_side,
)
from phyrefine.testing import moving_clip
from phyrefine.video.clip import Clip


def burst(at=40, frames=80, length=8):
    """A clip in which something moves for a moment only."""
    made = np.zeros((frames, 24, 24, 3), np.uint8)
    for index in range(at, at + length):
        made[index:, 4:12, 2 * (index - at) : 2 * (index - at) + 8] += 25
    return Clip(made, 24.0)


def test_frames_are_dense_where_things_move():
    picked = chosen_frames(burst(), 16)
    assert len(picked) == len(set(picked)) == 16
    assert (picked[0], picked[-1]) == (0, 79)
    inside = [index for index in picked if 39 <= index <= 48]
    assert len(inside) >= 6
    assert max(np.diff(picked)) <= 16  # nowhere blind


def test_a_still_clip_is_sampled_evenly():
    picked = chosen_frames(Clip(np.full((64, 8, 8, 3), 7, np.uint8), 24.0), 9)
    assert set(np.diff(picked)) <= {7, 8, 9}


@pytest.mark.parametrize("count", [3, 4, 8, 79, 80, 200])
def test_both_sides_of_the_seam_are_always_there(count):
    picked = chosen_frames(burst(), count, seam=1.0)
    assert picked == sorted(set(picked))
    assert len(picked) == min(count, 80)
    assert {0, 79} <= set(picked)
    if count >= 4:
        assert {23, 24} <= set(picked)


@pytest.mark.parametrize("count", [16, 33, 64])
@pytest.mark.parametrize("moves_at", [30, 80, 150])
def test_the_first_second_after_the_seam_has_twice_the_later_rate(count, moves_at):
    clip = burst(moves_at, frames=192)  # 8 s at 24 fps, wherever it moves
    picked = chosen_frames(clip, count, seam=3.0)
    assert len(set(picked)) == count
    assert {0, 71, 72, 191} <= set(picked)
    early = sum(72 <= number < 96 for number in picked)
    late = sum(number >= 96 for number in picked) / 4
    assert early >= 2 * late
    assert late * 4 >= 2  # the end of the clip is watched too


def test_a_first_second_that_is_shown_whole_takes_no_more():
    picked = chosen_frames(burst(frames=192), 160, seam=3.0)
    assert set(range(72, 96)) <= set(picked)
    assert len(picked) == 160


def test_a_service_that_samples_evenly_sees_the_first_second_again():
    clip = burst(frames=192)
    again = early_excerpt(clip, 3.0, 8.0, 24.0)
    assert (again.fps, again.seam, len(again.clip)) == (16.0, 3.0, 24)
    assert np.array_equal(again.clip.frames, clip.frames[72:96])
    assert early_excerpt(clip, 3.0, 16.0, 24.0).fps == 24.0  # the clip has no more
    assert early_excerpt(clip, 3.0, 24.0, 24.0) is None
    assert early_excerpt(clip, None, 8.0, 24.0) is None
    assert early_excerpt(clip, 7.5, 8.0, 24.0) is None


def test_one_frame_is_the_last():
    assert chosen_frames(burst(), 1) == [79]


def test_how_many_frames_stand_for_a_clip():
    clip = moving_clip(40, fps=8.0)
    assert frame_count(clip, 8, 64) == 40
    assert frame_count(clip, 4, 64) == 20
    assert frame_count(clip, 24, 64) == 40  # no frame twice
    assert frame_count(clip, 8, 10) == 10
    assert frame_count(clip, 0.01, 10) == 1


def test_sizes_shrink_to_the_longer_side():
    assert within_side((1080, 1920), 512) == (288, 512)
    assert within_side((1920, 1080), 512) == (512, 288)
    assert within_side((100, 60), 512) == (100, 60)
    assert within_side((1080, 1920), None) == (1080, 1920)


def test_stills_are_small_pictures_with_their_times():
    from PIL import Image

    shown = stills(moving_clip(16, (64, 128)), 4, side=64, seam=1.0)
    assert [still.seconds for still in shown] == [0, 0.875, 1, 1.875]
    assert {Image.open(io.BytesIO(still.jpeg)).size for still in shown} == {(64, 32)}
    assert shown[0].data_url.startswith("data:image/jpeg;base64,/9j/")


def test_an_encoded_clip_keeps_frames_and_rate():
    data = encoded(moving_clip(16, (64, 128)), side=64)
    assert data[4:8] == b"ftyp"
    back = Clip.from_bytes(data)
    assert (len(back), back.fps, back.size) == (16, 8.0, (32, 64))


class TestRecent:
    def test_each_is_made_once_and_the_oldest_goes(self):
        gone, made = [], []
        recent = Recent(2, gone.append)
        for key in ("a", "b", "a", "c"):
            recent.get(key, lambda key=key: made.append(key) or key.upper())
        assert (made, gone, len(recent)) == (["a", "b", "c"], ["B"], 2)
        recent.drop("a")
        recent.drop("never there")
        recent.clear()
        assert (sorted(gone), len(recent)) == (["A", "B", "C"], 0)

    def test_what_could_not_be_made_is_made_by_the_next(self):
        recent = Recent()
        with pytest.raises(OSError, match="no"):
            recent.get("a", lambda: (_ for _ in ()).throw(OSError("no")))
        assert len(recent) == 0
        assert recent.get("a", lambda: 1) == 1

    def test_other_keys_need_not_wait_and_the_same_key_is_made_once(self):
        recent, begun, go, made = Recent(), threading.Event(), threading.Event(), []

        def slow():
            begun.set()
            go.wait(5)
            made.append("a")
            return "a"

        threads = [threading.Thread(target=recent.get, args=("a", slow)) for _ in range(3)]
        for thread in threads:
            thread.start()
        assert begun.wait(5)
        assert recent.get("b", lambda: "b") == "b"
        go.set()
        for thread in threads:
            thread.join(5)
        assert made == ["a"]

    def test_one_dropped_while_it_is_made_is_not_lost(self):
        gone, begun, go = [], threading.Event(), threading.Event()
        recent = Recent(4, gone.append)

        def slow():
            begun.set()
            go.wait(5)
            return "upload"

        maker = threading.Thread(target=recent.get, args=("a", slow))
        maker.start()
        assert begun.wait(5)
        dropper = threading.Thread(target=recent.drop, args=("a",))
        dropper.start()
        go.set()
        maker.join(5)
        dropper.join(5)
        assert (gone, len(recent)) == (["upload"], 0)
