import io
import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from phyrefine.errors import VideoError
from phyrefine.testing import moving_clip
from phyrefine.video import Clip

NOISE = Clip(np.random.default_rng(0).integers(0, 256, (12, 33, 47, 3), np.uint8), 12.0)
# Gray noise only: color noise is what 4:2:0 throws away first.
SMOOTH = Clip(moving_clip(24, (48, 64), 12.0).frames[..., :1].repeat(3, axis=3), 12.0)


def encode(frames, *, codec="libx264", pixels="yuv420p", rate=12, pts=None, form="mp4", setup=None):
    """A video file in memory, made to order."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], pixels
        if setup:
            setup(stream)
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=pixels)
            picture.pts = index if pts is None else pts[index]
            picture.time_base = Fraction(1, rate)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize("fps", [12.0, 24.0, 30000 / 1001, 8.5])
def test_lossless_round_trip(tmp_path, fps):
    clip = Clip(NOISE.frames, fps)
    for name, lossless in (("a.mkv", False), ("a.mp4", True)):
        back = Clip.read(clip.write(tmp_path / name, lossless=lossless))
        assert np.array_equal(back.frames, clip.frames)
        assert back.fps == pytest.approx(fps, rel=1e-4)


def test_folders_of_images_round_trip(tmp_path):
    folder = NOISE.write(tmp_path / "frames")
    assert Clip.read(folder, fps=12) == NOISE
    with pytest.raises(VideoError, match="pass fps="):
        Clip.read(folder)
    with pytest.raises(VideoError, match="not an empty folder"):
        NOISE.write(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(VideoError, match="holds no images"):
        Clip.read(tmp_path / "empty", fps=8)
    SMOOTH.seconds(0, 0.2).write(tmp_path / "other")
    (tmp_path / "other" / "00000.png").replace(folder / "zz.png")
    with pytest.raises(VideoError, match="differ in size"):
        Clip.read(folder, fps=12)


@pytest.mark.parametrize(("name", "tolerance"), [("a.mp4", 4), ("a.webm", 8), ("a.gif", 14)])
def test_viewing_formats_are_close(tmp_path, name, tolerance):
    back = Clip.read(SMOOTH.write(tmp_path / name))
    assert back.size == SMOOTH.size
    assert len(back) == len(SMOOTH)
    assert np.abs(back.frames.astype(int) - SMOOTH.frames).mean() < tolerance


def test_mp4_is_what_browsers_play(tmp_path):
    path = NOISE.write(tmp_path / "odd.mp4")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
    assert Clip.read(path).size == (34, 48)  # odd sizes grow by one pixel
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # playable while it loads


def test_unknown_suffix_and_impossible_lossless(tmp_path):
    with pytest.raises(VideoError, match=r"\.xyz"):
        NOISE.write(tmp_path / "a.xyz")
    with pytest.raises(VideoError, match="cannot be lossless"):
        NOISE.write(tmp_path / "a.gif", lossless=True)
    assert not list(tmp_path.iterdir())  # nothing half-written is left


def test_bytes_in_memory():
    assert Clip.from_bytes(NOISE.to_bytes("mkv")) == NOISE


def test_variable_frame_rate_becomes_even_by_time():
    frames = SMOOTH.frames[:6]
    # The third frame stays on screen for four ticks.
    clip = Clip.from_bytes(encode(frames, rate=10, pts=[0, 1, 2, 6, 7, 8]))
    assert clip.fps == pytest.approx(10, rel=0.01)
    assert len(clip) == 9
    held = clip.frames[2:6].astype(int)
    assert np.abs(held - held[0]).max() == 0
    assert np.abs(clip.frames[6].astype(int) - clip.frames[5]).mean() > 1


# What a track header's matrix (16.16 fixed point) does to a frame.
MATRICES = {
    "a quarter turn": ((0, 1, -1, 0), lambda frame: np.rot90(frame, -1)),
    "left and right mirrored": ((-1, 0, 0, 1), np.fliplr),
    "upside down and mirrored": ((1, 0, 0, -1), np.flipud),
    "mirrored and turned": ((0, 1, 1, 0), lambda frame: frame.transpose(1, 0, 2)),
}


@pytest.mark.parametrize("name", MATRICES)
def test_the_display_matrix_of_phones_turns_and_mirrors(name):
    numbers, shown = MATRICES[name]
    data = bytearray(encode(SMOOTH.frames, rate=12))
    identity, changed = matrix(1, 0, 0, 1), matrix(*numbers)
    at = data.index(identity, data.index(b"tkhd"))
    data[at : at + len(identity)] = changed
    turned = Clip.from_bytes(bytes(data)).frames
    upright = Clip.from_bytes(encode(SMOOTH.frames, rate=12)).frames
    assert np.array_equal(turned, [shown(frame) for frame in upright])


def matrix(a, b, c, d):
    return b"".join(struct.pack(">i", 65536 * n) for n in (a, b, 0, c, d))


def test_ten_bit_and_other_codecs():
    ten = Clip.from_bytes(encode(SMOOTH.frames, pixels="yuv420p10le"))
    assert np.abs(ten.frames.astype(int) - SMOOTH.frames).mean() < 5
    for codec, form in (("mpeg4", "mp4"), ("libvpx-vp9", "webm"), ("ffv1", "matroska")):
        clip = Clip.from_bytes(encode(SMOOTH.frames, codec=codec, form=form))
        assert len(clip) == len(SMOOTH)
        assert clip.fps == pytest.approx(12)


def test_alpha_lies_over_black():
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=12)
        stream.height, stream.width, stream.pix_fmt = 16, 16, "bgra"
        pixels = np.full((16, 16, 4), 200, np.uint8)
        pixels[:8, :, 3] = 0
        pixels[8:, :, 3] = 255
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgba")))
        container.mux(stream.encode(None))
    clip = Clip.from_bytes(buffer.getvalue())
    assert clip.frames[:, :8].max() == 0
    assert clip.frames[:, 8:].min() == 200


def test_read_can_resample(tmp_path):
    path = SMOOTH.write(tmp_path / "a.mkv")
    assert Clip.read(path, fps=6) == SMOOTH.resample(6)


# -- bad input: one clear error each -----------------------------------------------------------


def test_missing_and_empty(tmp_path):
    with pytest.raises(VideoError, match="No such video"):
        Clip.read(tmp_path / "none.mp4")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(VideoError, match="0 bytes"):
        Clip.read(tmp_path / "empty.mp4")
    with pytest.raises(VideoError, match="0 bytes"):
        Clip.from_bytes(b"")


def test_not_a_video(tmp_path):
    (tmp_path / "text.mp4").write_text("I am a letter, not a video." * 50)
    with pytest.raises(VideoError, match=r"text\.mp4 is not a readable video"):
        Clip.read(tmp_path / "text.mp4")


def test_audio_only():
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(VideoError, match="only sound"):
        Clip.from_bytes(buffer.getvalue())


@pytest.mark.parametrize(("form", "codec"), [("mp4", "libx264"), ("matroska", "ffv1")])
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_truncated_files_are_refused(form, codec, share):
    """The index in front survives, or does not: either way the loss is named."""
    long = moving_clip(60, (48, 64), 12.0)
    whole = long.to_bytes("mp4") if form == "mp4" else encode(long.frames, codec=codec, form=form)
    with pytest.raises(VideoError, match=r"cut off|damaged"):
        Clip.from_bytes(whole[: int(len(whole) * share)])


def test_notebook_tag_holds_the_video_and_escapes_its_name():
    clip = Clip(SMOOTH.frames, 12, source='<script>"')
    html = clip._repr_html_()
    assert "<script>" not in html


def test_the_same_clip_gives_the_same_bytes():
    """x264 does not see to that by itself on every processor."""
    clip = moving_clip(24, (64, 64), 8.0)
    assert len({clip.to_bytes("mp4") for _ in range(12)}) == 1
