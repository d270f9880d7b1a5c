import numpy as np
import pytest

from phyrefine.errors import VideoError
from phyrefine.testing import moving_clip
from phyrefine.video import Clip, join

NOISE = np.random.default_rng(0).integers(0, 256, (12, 34, 46, 3), np.uint8)


def test_a_clip_is_read_only_and_compares_by_pixels_and_rate():
    clip = Clip(NOISE.copy(), 12)
    with pytest.raises(ValueError, match="read-only"):
        clip.frames[0] = 0
    assert clip == Clip(NOISE, 12.0)
    assert clip != Clip(NOISE, 24)
    assert clip != Clip(NOISE[::-1], 12)
    assert clip != "clip"
    assert hash(clip) == hash(Clip(NOISE, 12))
    assert clip.digest != Clip(NOISE, 24).digest
    assert (len(clip), clip.size, clip.duration) == (12, (34, 46), 1.0)
    assert clip.times[1] == pytest.approx(1 / 12)
    assert "12 frames of 46x34 at 12 fps" in repr(clip)


@pytest.mark.parametrize(
    "frames",
    [NOISE.astype(float), NOISE[0], NOISE[..., :2], NOISE[:0], np.zeros((2, 0, 4, 3), np.uint8)],
)
def test_frames_of_the_wrong_kind(frames):
    with pytest.raises(VideoError):
        Clip(frames, 24)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_rates_of_the_wrong_kind(fps):
    with pytest.raises(VideoError, match="frame rate"):
        Clip(NOISE, fps)


def test_arrays_of_every_usual_layout():
    floats = NOISE / 255.0
    assert Clip.from_array(NOISE, 12) == Clip(NOISE, 12)
    assert Clip.from_array(floats, 12) == Clip(NOISE, 12)
    assert Clip.from_array(floats.astype(np.float32).transpose(0, 3, 1, 2), 12) == Clip(NOISE, 12)
    gray = Clip.from_array(NOISE[..., :1], 12)
    assert np.array_equal(gray.frames[..., 0], gray.frames[..., 2])
    alpha = np.concatenate([NOISE, np.full((*NOISE.shape[:3], 1), 128, np.uint8)], axis=-1)
    assert np.array_equal(Clip.from_array(alpha, 12).frames, (NOISE.astype(int) * 128 + 127) // 255)
    with pytest.raises(VideoError, match=r"0\.\.1"):
        Clip.from_array(NOISE.astype(float), 12)
    with pytest.raises(VideoError, match="int64"):
        Clip.from_array(NOISE.astype(np.int64), 12)
    with pytest.raises(VideoError, match="four axes"):
        Clip.from_array(NOISE[0], 12)


def test_tensors():
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(NOISE.copy())
    assert Clip.from_array(tensor, 12) == Clip(NOISE, 12)
    half = (tensor.permute(0, 3, 1, 2).float() / 255).bfloat16()
    assert Clip.from_array(half, 12).size == (34, 46)


def test_images():
    image = pytest.importorskip("PIL.Image")
    images = [image.fromarray(frame) for frame in NOISE]
    clip = Clip.from_images(images, 12)
    assert clip == Clip(NOISE, 12)
    assert Clip.from_images(clip.to_images(), 12) == clip
    with pytest.raises(VideoError, match="share a size"):
        Clip.from_images([images[0], images[0].resize((4, 4))], 12)
    with pytest.raises(VideoError, match="at least one"):
        Clip.from_images([], 12)


def test_parts_by_time():
    clip = Clip(NOISE, 12)
    assert np.array_equal(clip.seconds(0.5).frames, NOISE[6:])
    assert np.array_equal(clip.seconds(-0.25).frames, NOISE[9:])
    assert np.array_equal(clip.seconds(0, 0.25).frames, NOISE[:3])
    assert np.array_equal(clip.seconds(0.25, -0.25).frames, NOISE[3:9])
    for start, end in ((2, 3), (0.5, 0.5), (0.6, 0.5)):
        with pytest.raises(VideoError, match="No frames"):
            clip.seconds(start, end)


def test_resampling_is_by_time():
    clip = Clip(NOISE, 12)
    assert np.array_equal(clip.resample(6).frames, NOISE[::2])
    assert np.array_equal(clip.resample(24).frames, NOISE.repeat(2, axis=0))
    eight = clip.resample(8)
    assert np.array_equal(eight.frames, NOISE[[0, 1, 3, 4, 6, 7, 9, 10]])
    assert len(clip.resample(8, count=20)) == 20
    assert np.array_equal(clip.resample(8, count=20).frames[-1], NOISE[-1])
    assert clip.resample(12) == clip
    with pytest.raises(VideoError, match="above 0"):
        clip.resample(0)


def test_down_and_up_again_keeps_every_kept_frame():
    clip = Clip(NOISE, 24)
    assert np.array_equal(clip.resample(8).resample(24).frames[::3], NOISE[::3])


def test_sizes():
    clip = Clip(NOISE, 12)
    assert clip.resize(17, 23).size == (17, 23)
    assert clip.resize(34, 46) == clip
    padded = clip.resize(46, 46, mode="pad").frames
    assert padded[:, :6].max() == 0
    assert np.array_equal(padded[:, 6:40], NOISE)
    fitted = clip.resize(34, 20)
    assert np.array_equal(fitted.frames, NOISE[:, :, 13:33])
    with pytest.raises(VideoError, match="Unknown resize mode 'squash'"):
        clip.resize(4, 5, mode="squash")
    with pytest.raises(VideoError, match="at least 1x1"):
        clip.resize(0, 5)


def test_native_frames_travel_along_but_do_not_count():
    native = moving_clip(8, fps=8.0)
    clip = native.resample(24).with_native(native)
    assert clip.as_made is native
    assert native.as_made is native
    assert clip == native.resample(24)
    assert clip.resize(8, 8).native is native


def test_join_speaks_the_last_clips_rate_and_size():
    one, two = moving_clip(8, (16, 16), 8.0), moving_clip(12, (32, 32), 12.0)
    joined = join((one, two))
    assert (joined.fps, joined.size, len(joined)) == (12.0, (32, 32), 24)
    assert np.array_equal(joined.frames[12:], two.frames)
    with pytest.raises(VideoError, match="Nothing to join"):
        join(())
