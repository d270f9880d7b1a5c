import numpy as np
import pytest

from phyrefine.errors import VideoError
from phyrefine.video import thumbnails as module
from phyrefine.video.clip import Clip
from phyrefine.video.flow import block_flow
from phyrefine.video.recent import Recent
from phyrefine.video.thumbnails import read_thumbnails, small_size, thumbnails


def film(frames=12, size=(180, 320), fps=24.0):
    out = np.full((frames, *size, 3), (40, 90, 60), np.uint8)
    for t in range(frames):
        out[t, 60:120, 10 * t : 10 * t + 60] = (230, 180, 40)
    return Clip(out, fps)


def test_sizes_are_bounded_and_small_clips_stay_as_they_are():
    assert small_size((48, 64)) == (48, 64)
    assert small_size((720, 1280)) == (72, 128)
    assert small_size((2160, 3840)) == (72, 128)
    assert small_size((1280, 720)) == (128, 72)


def test_frames_are_averaged_to_about_eight_a_second():
    clip = film(frames=24, size=(48, 64))
    small = thumbnails(clip)
    assert small.fps == 8.0
    assert small.gray.shape == (8, 48, 64)
    luma = clip.frames.astype(np.float64) @ [0.299, 0.587, 0.114]
    assert np.allclose(small.gray[2], luma[6:9].mean(axis=0), atol=1e-3)


def test_a_file_gives_what_the_clip_gives(tmp_path):
    clip = film()
    path = clip.write(tmp_path / "clip.mkv")
    read, held = read_thumbnails(path), thumbnails(clip)
    assert read.fps == held.fps == 8.0
    assert read.gray.shape == held.gray.shape == (4, 72, 128)
    assert np.abs(read.gray - held.gray).max() < 3.0
    compressed = read_thumbnails(clip.write(tmp_path / "clip.mp4"))
    assert np.abs(compressed.gray - held.gray).mean() < 2.0


def test_files_that_are_no_videos_are_refused(tmp_path):
    with pytest.raises(VideoError, match="No such video file"):
        read_thumbnails(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(VideoError, match="not a readable video"):
        read_thumbnails(tmp_path / "text.mp4")


def test_a_clip_is_shrunk_once(monkeypatch):
    clip = film(frames=5)
    first = thumbnails(clip)
    monkeypatch.setattr(module, "_shrunk", None)
    assert thumbnails(Clip(clip.frames.copy(), clip.fps)) is first


def test_the_memory_forgets_what_was_used_least():
    recent, made = Recent(2), []

    def make(key):
        return lambda: made.append(key) or key

    for key in ("a", "b", "a", "c", "a", "b"):
        assert recent.get(key, make(key)) == key
    assert made == ["a", "b", "c", "b"]


def test_block_flow_finds_where_things_went():
    rng = np.random.default_rng(0)
    texture = rng.uniform(0, 255, (12, 12)).astype(np.float32)
    first, second = np.full((2, 40, 48), 100, np.float32)
    first[10:22, 10:22] = texture
    second[13:25, 15:27] = texture
    flow = block_flow(first[None], second[None])
    assert flow.vectors[0, 3, 3].tolist() == [3.0, 5.0]  # the block at row 12, column 12
    assert flow.error[0, 3, 3] == pytest.approx(0.0, abs=1e-3)
    assert not flow.vectors[0, 8, 9].any()
    noise = (100 + rng.normal(0, 1, (2, 1, 40, 48))).astype(np.float32)
    assert not block_flow(*noise).vectors.any()
    assert not block_flow(first[None], first[None]).vectors.any()
