"""Small files as people have them, made with ffmpeg, and what players show of them."""

import io
from pathlib import Path

import numpy as np
import pytest

from phyrefine.errors import VideoError
from phyrefine.video import Clip

MEDIA = Path(__file__).parents[1] / "data" / "media"


@pytest.mark.parametrize(
    ("name", "frames", "fps", "size"),
    [
        ("b-frames.avi", 50, 25, (64, 96)),
        ("anamorphic.mp4", 50, 25, (64, 137)),
        ("trimmed-without-reencoding.mp4", 37, 25, (64, 96)),
        ("latin1-title.mp4", 50, 25, (64, 96)),
    ],
)
def test_files_read_as_a_player_shows_them(name, frames, fps, size):
    clip = Clip.read(MEDIA / name)
    assert (len(clip), clip.fps, clip.size) == (frames, fps, size)


def test_b_frames_without_time_stamps_come_in_order():
    """The box of the test picture moves on in every frame; a shuffled order would go back."""
    clip = Clip.read(MEDIA / "b-frames.avi")
    reference = Clip.read(MEDIA / "latin1-title.mp4")  # the same picture with time stamps
    for frame, right in zip(clip.frames, reference.frames, strict=True):
        errors = np.abs(reference.frames.astype(int) - frame).mean(axis=(1, 2, 3))
        assert np.abs(right.astype(int) - frame).mean() == errors.min()


def test_missing_frames_are_held_and_none_is_lost():
    clip = Clip.read(MEDIA / "every-third-missing.mp4")
    assert clip.fps == 30
    changes = np.abs(np.diff(clip.frames.astype(int), axis=0)).max(axis=(1, 2, 3)) > 0
    assert len(clip) == 89
    assert changes.sum() + 1 == 60


def test_square_pixels_are_said_in_the_source():
    clip = Clip.read(MEDIA / "anamorphic.mp4")
    assert clip.source == "anamorphic.mp4 (96x64 scaled to 137x64 square pixels, bilinear)"


def test_a_cover_picture_is_no_video():
    with pytest.raises(VideoError, match="holds only sound"):
        Clip.read(MEDIA / "cover.mp3")


@pytest.mark.parametrize("form", ["mp4", "matroska", "avi", "flv", "mpegts", "gif"])
def test_metadata_that_is_no_utf8_is_not_the_clips_problem(form):
    import av

    clip = Clip.read(MEDIA / "latin1-title.mp4", seconds=0.4)
    if form == "gif":
        data = clip.to_bytes("gif")
        at = data.index(b"\x21\xf9")  # before the first picture
        data = data[:at] + b"\x21\xfe\x04caf\xe9\x00" + data[at:]
    else:
        buffer = io.BytesIO()
        with av.open(buffer, "w", format=form) as container:
            container.metadata.update(title="caf*", service_name="caf*")
            stream = container.add_stream("flv" if form == "flv" else "mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            for frame in clip.frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode(None))
        data = buffer.getvalue().replace(b"caf*", b"caf\xe9")
    assert b"caf\xe9" in data
    assert len(Clip.from_bytes(data)) == len(clip)


def test_untagged_hd_is_taken_as_bt709():
    green = Clip.read(MEDIA / "untagged-720p-green.mp4").frames.mean(axis=(0, 1, 2))
    # BT.709's matrix on what BT.601's made of pure green, as browsers compute it.
    np.testing.assert_allclose(green, (0, 215, 0), atol=2)


@pytest.mark.parametrize(("name", "exact"), [("b-frames.avi", True), ("latin1-title.mp4", True)])
@pytest.mark.parametrize(("start", "seconds"), [(-1, None), (0.48, 0.4), (1.2, None), (-0.8, 0.4)])
def test_parts_equal_the_same_part_of_the_whole(name, exact, start, seconds):
    whole = Clip.read(MEDIA / name)
    begin = start if start >= 0 else whole.duration + start
    end = None if seconds is None else begin + seconds
    assert Clip.read(MEDIA / name, start=start, seconds=seconds) == whole.seconds(begin, end)


def test_the_end_of_a_trimmed_file_is_the_end_a_player_shows():
    name = MEDIA / "trimmed-without-reencoding.mp4"
    assert Clip.read(name, start=-0.6) == Clip.read(name).seconds(-0.6)


def test_frames_can_be_fitted_while_they_are_read():
    whole = Clip.read(MEDIA / "latin1-title.mp4")
    assert Clip.read(MEDIA / "latin1-title.mp4", size=(32, 40)) == whole.resize(32, 40)


def test_parts_that_are_not_there():
    for start in (2.5, 100):
        with pytest.raises(VideoError, match="No frames from"):
            Clip.read(MEDIA / "latin1-title.mp4", start=start)
    for wrong in ({"start": float("nan")}, {"seconds": 0}, {"seconds": "x"}, {"size": (0, 4)},
                  {"size": 7}, {"fps": "x"}):  # fmt: skip
        with pytest.raises(VideoError):
            Clip.read(MEDIA / "latin1-title.mp4", **wrong)


def test_what_would_fill_the_memory_is_refused_before_it_does():
    with pytest.raises(VideoError, match=r"GiB of memory .* Read a part"):
        Clip.read(MEDIA / "latin1-title.mp4", max_bytes=400_000)
    assert len(Clip.read(MEDIA / "latin1-title.mp4", max_bytes=400_000, start=-0.08)) == 2
    clip = Clip.read(MEDIA / "latin1-title.mp4")
    for call in (lambda: clip.resample(25, count=10**7), lambda: clip.resize(100_000, 100_000),
                 lambda: clip.resize(100_000, 100_000, mode="pad")):  # fmt: skip
        with pytest.raises(VideoError, match="GiB of memory"):
            call()


@pytest.mark.parametrize("share", [0.4, 0.7, 0.9])
@pytest.mark.parametrize("kind", ["mkv", "webm", "gif", "fragmented", "avi", "asf"])
def test_a_cut_file_is_told_from_a_trimmed_one(kind, share):
    clip = Clip.read(MEDIA / "latin1-title.mp4")
    own = kind in ("mkv", "webm", "gif")
    data = clip.to_bytes(kind) if own else written_as(clip, kind)
    assert len(Clip.from_bytes(data)) == len(clip)
    with pytest.raises(VideoError, match=r"cut off|damaged"):
        Clip.from_bytes(data[: int(len(data) * share)])


def test_an_avi_that_counts_its_own_head_is_whole():
    clip = Clip.read(MEDIA / "latin1-title.mp4")
    data = bytearray(written_as(clip, "avi"))
    data[4:8] = len(data).to_bytes(4, "little")
    assert len(Clip.from_bytes(bytes(data))) == len(clip)


@pytest.mark.parametrize("kind", ["mpeg", "vob", "mpegts"])
def test_a_stream_that_ends_in_a_packet_is_told(kind, caplog):
    data = written_as(Clip.read(MEDIA / "latin1-title.mp4"), kind)
    Clip.from_bytes(data)
    assert "last packet" not in caplog.text
    for share in (0.5, 0.7, 0.9):
        caplog.clear()
        Clip.from_bytes(data[: int(len(data) * share) + 1])
        assert "its last packet is incomplete: the file may be cut off" in caplog.text


# An MP4 in fragments has no table of all its frames; the others have their own ways to say where they end.
CONTAINERS = {
    "fragmented": ("mp4", "libx264", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    "avi": ("avi", "mpeg4", {}),
    "asf": ("asf", "mpeg4", {}),
    "mpeg": ("mpeg", "mpeg1video", {}),
    "vob": ("vob", "mpeg2video", {}),
    "mpegts": ("mpegts", "mpeg2video", {}),
}


def written_as(clip, kind):
    import av

    buffer = io.BytesIO()
    form, codec, flags = CONTAINERS[kind]
    with av.open(buffer, "w", format=form, container_options=flags) as container:
        stream = container.add_stream(codec, rate=25, options={"g": "5"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for frame in clip.frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()
