"""Time stamps as files really have them: none, equal, uneven, too coarse, too fast."""

import io
import warnings

import av
import numpy as np
import pytest
from PIL import Image, features

from phyrefine.errors import VideoError
from phyrefine.testing import moving_clip
from phyrefine.video import Clip
from phyrefine.video.reading import decoding
from phyrefine.video.reading.timing import Rates, even_grid


def shades(count):
    return [np.full((16, 16, 3), 8 * index, np.uint8) for index in range(count)]


def movie(times, *, tick=1000, form="matroska", rate=None):
    """Frames of growing brightness at these times, in seconds."""
    from fractions import Fraction

    buffer = io.BytesIO()
    with av.open(buffer, "w", format=form) as container:
        stream = container.add_stream("ffv1" if form == "matroska" else "mpeg4", rate=rate or 25)
        stream.height, stream.width = 16, 16
        stream.pix_fmt = "bgr0" if form == "matroska" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, tick)
        for shade, time in zip(shades(len(times)), times, strict=True):
            frame = av.VideoFrame.from_ndarray(shade, format="rgb24")
            frame.pts, frame.time_base = round(time * tick), Fraction(1, tick)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def order(clip):
    """Each different picture once, in the order shown."""
    values = clip.frames[:, 0, 0, 0].tolist()
    return [value for index, value in enumerate(values) if index == 0 or value != values[index - 1]]


def test_six_hundred_frames_a_second_in_milliseconds_lose_no_frame():
    clip = Clip.from_bytes(movie([index / 600 for index in range(30)]))
    assert order(clip) == [8 * index for index in range(30)]
    assert clip.fps <= 1000


def test_steps_of_two_lengths_lose_no_frame():
    times = np.cumsum([0] + [1 / 30 if index % 2 else 2 / 30 for index in range(29)])
    clip = Clip.from_bytes(movie(times.tolist()))
    assert clip.fps == 30
    assert order(clip) == [8 * index for index in range(30)]
    assert clip.duration == pytest.approx(times[-1] + 2 / 30, abs=0.04)


def test_film_counted_in_thirtieths_has_no_doubles():
    """24 frames per second in a 1/30 time base: times round, the codec says the rate."""
    times = [round(index * 30 / 24) / 30 for index in range(48)]
    shown, fps = even_grid(times, 0.0, Rates(24.0, 24.0, 1 / 30))
    assert fps == 24
    assert shown.tolist() == list(range(48))


@pytest.mark.parametrize("times", [[0.0] * 5, [float("nan")] * 5, [0, 0.2, 0.1, 0.4, 0.3]])
def test_useless_times_give_way_to_the_nominal_rate(times):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown, fps = even_grid(times, 0.0, Rates(25.0))
    assert (shown.tolist(), fps) == ([0, 1, 2, 3, 4], 25)


@pytest.mark.parametrize("form", ["WEBP", pytest.param("AVIF", marks=pytest.mark.skipif(
    not features.check("avif"), reason="Pillow without AVIF")), "GIF", "PNG"])  # fmt: skip
def test_animations_keep_every_picture_for_its_time(form):
    images = [Image.fromarray(np.full((20, 30, 3), 40 * index, np.uint8)) for index in range(5)]
    lasting = [40, 40, 80, 40, 120]
    buffer = io.BytesIO()
    images[0].save(buffer, form, save_all=True, append_images=images[1:], duration=lasting)
    clip = Clip.from_bytes(buffer.getvalue(), source=form)
    assert clip.fps == 25
    right = np.repeat([0, 40, 80, 120, 160], [1, 1, 2, 1, 3])
    assert np.abs(clip.frames[:, 0, 0, 0] - right).max() <= 4
    end = Clip.from_bytes(buffer.getvalue()).seconds(-0.16)
    assert len(end) == 4


def test_gif_holds_fifty_frames_a_second_and_says_so(caplog):
    clip = moving_clip(30, (16, 16), 60.0)
    back = Clip.from_bytes(clip.to_bytes("gif"))
    assert (len(back), back.fps) == (25, 50)
    assert "at most 50 frames per second" in caplog.text
    fast = moving_clip(30, (16, 16), 480.0)
    assert Clip.from_bytes(fast.to_bytes("gif")).fps == 50


def test_a_rate_between_the_hundredths_of_a_gif():
    back = Clip.from_bytes(moving_clip(24, (16, 16), 24.0).to_bytes("gif"))
    assert len(back) == 24
    assert back.duration == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("start", [0.0, -1.0])
@pytest.mark.parametrize("fps", [30.0, 10.0, 7.5])
def test_a_lower_rate_keeps_only_what_it_shows(tmp_path, monkeypatch, fps, start):
    """Slow motion read at a lower rate is the same as read whole and resampled."""
    from phyrefine.video.collecting import Stack

    path = moving_clip(240, (24, 32), 120.0).write(tmp_path / "slow.mkv")
    right = Clip.read(path, start=start).resample(fps)
    stacks = []
    add = Stack.add

    def counted(stack, picture):
        stacks.append(1)
        add(stack, picture)

    monkeypatch.setattr(Stack, "add", counted)
    assert Clip.read(path, start=start, fps=fps) == right
    assert len(stacks) == len(right)


def test_a_lower_rate_of_uneven_times(tmp_path):
    times = np.cumsum([0] + [1 / 30 if index % 2 else 2 / 30 for index in range(29)])
    path = tmp_path / "uneven.mkv"
    path.write_bytes(movie(times.tolist()))
    for fps in (10.0, 15.0, 24.0, 60.0):
        assert Clip.read(path, fps=fps) == Clip.read(path).resample(fps)
        assert Clip.read(path, start=-0.7, fps=fps) == Clip.read(path, start=-0.7).resample(fps)
        assert Clip.read(path, start=0.3, seconds=0.5, fps=fps) == Clip.read(
            path, start=0.3, seconds=0.5
        ).resample(fps)


def test_what_is_no_time_is_refused(tmp_path):
    path = moving_clip(24, (16, 16), 8.0).write(tmp_path / "a.mkv")
    for wrong in ({"fps": 0}, {"fps": None, "seconds": -1}, {"start": "now"}):
        with pytest.raises(VideoError):
            Clip.read(path, **wrong)


def test_times_that_stay_in_disorder_are_an_error_of_ours(tmp_path, monkeypatch):
    def disorder(*_):
        raise decoding._DisorderError

    moving_clip(12, (16, 16), 12.0).write(tmp_path / "clip.mp4")
    monkeypatch.setattr(decoding, "_even", disorder)
    with pytest.raises(VideoError, match="frames come at other times than it says"):
        Clip.read(tmp_path / "clip.mp4", start=0.2, seconds=0.5, fps=6)
