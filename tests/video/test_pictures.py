"""Pictures as a player shows them: turned, mirrored, cropped, whole, in 8 bits of BT.709."""

import io
import logging
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, features

from phyrefine.errors import VideoError
from phyrefine.video import Clip
from phyrefine.video.reading.pixels import tone_mapping
from phyrefine.video.reading.streams import frames_of

MEDIA = Path(__file__).parents[1] / "data" / "media"

# What EXIF's orientations ask for (TIFF 6.0, tag 274): stored rows and columns to shown ones.
TURNS = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.transpose(1, 0, 2),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
    8: lambda x: np.rot90(x),
}
needs_avif = pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")
FORMS = ["JPEG", "PNG", "TIFF", "WEBP", pytest.param("AVIF", marks=needs_avif)]


def blocks(height=32, width=48):
    """Four colors, one in each quarter: no turn or mirror image of it is like another."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = (230, 30, 30)
    picture[: height // 2, width // 2 :] = (30, 200, 30)
    picture[height // 2 :, : width // 2] = (30, 30, 230)
    picture[height // 2 :, width // 2 :] = (220, 220, 220)
    return picture


def close(one, other, most=8.0):
    return one.shape == other.shape and np.abs(one.astype(int) - other).mean() < most


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("orientation", TURNS)
def test_every_exif_orientation(form, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    buffer = io.BytesIO()
    Image.fromarray(blocks()).save(buffer, form, exif=exif)
    shown = Clip.from_bytes(buffer.getvalue()).frames[0]
    assert close(shown, TURNS[orientation](blocks()))
    others = [turn(blocks()) for number, turn in TURNS.items() if number != orientation]
    assert not any(close(shown, other) for other in others)


@needs_avif
@pytest.mark.parametrize("angle", range(4))
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_avif_turned_and_mirrored_by_its_own_boxes(angle, axis):
    """``irot`` turns counter-clockwise by quarters, then ``imir`` mirrors (HEIF, ISO 23008-12)."""
    buffer = io.BytesIO()
    Image.fromarray(blocks()).save(buffer, "AVIF", quality=95)
    data = with_properties(buffer.getvalue(), angle, axis)
    expected = np.rot90(blocks(), angle)
    if axis is not None:
        expected = expected[::-1] if axis == 0 else expected[:, ::-1]
    assert close(Clip.from_bytes(data).frames[0], expected)


def with_properties(data, angle, axis):
    """An AVIF of one picture with ``irot`` and ``imir`` added to its properties."""
    added = b""
    if angle:
        added += struct.pack(">I4sB", 9, b"irot", angle)
    if axis is not None:
        added += struct.pack(">I4sB", 9, b"imir", axis)
    count = bool(angle) + (axis is not None)
    data = bytearray(data)
    ipco, ipma = data.index(b"ipco") - 4, data.index(b"ipma") - 4
    ipco_size = int.from_bytes(data[ipco : ipco + 4], "big")
    known, at = 0, ipco + 8
    while at < ipco + ipco_size:
        known, at = known + 1, at + int.from_bytes(data[at : at + 4], "big")
    # Version 0 of ipma: item ids of 16 bits, one byte for each association; 0x80 is "essential".
    entry = ipma + 16
    associated = data[entry + 2]
    data[entry + 2] = associated + count
    end = entry + 3 + associated
    data[end:end] = bytes(0x80 | (known + 1 + index) for index in range(count))
    data[ipco + ipco_size : ipco + ipco_size] = added
    grown = {b"ipma": count, b"ipco": len(added), b"iprp": len(added) + count,
             b"meta": len(added) + count}  # fmt: skip
    for kind, more in grown.items():
        place = data.index(kind) - 4
        size = int.from_bytes(data[place : place + 4], "big") + more
        data[place : place + 4] = size.to_bytes(4, "big")
    return moved_items(data, len(added) + count)


def moved_items(data, by):
    """The places of items in ``iloc`` (version 0, offsets of 32 bits) moved on."""
    at = data.index(b"iloc") + 4
    assert data[at] == 0
    sizes, count = data[at + 4 : at + 6], int.from_bytes(data[at + 6 : at + 8], "big")
    offset_size, length_size, base_size = sizes[0] >> 4, sizes[0] & 15, sizes[1] >> 4
    at += 8
    for _ in range(count):
        at += 4 + base_size
        extents = int.from_bytes(data[at : at + 2], "big")
        at += 2
        for _ in range(extents):
            place = int.from_bytes(data[at : at + offset_size], "big") + by
            data[at : at + offset_size] = place.to_bytes(offset_size, "big")
            at += offset_size + length_size
    return bytes(data)


# -- tiles and crops ---------------------------------------------------------------------------


def heic(picture, **settings):
    library = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    try:
        library.from_pillow(Image.fromarray(picture)).save(buffer, quality=95, **settings)
    except Exception as error:  # noqa: BLE001 - a build without an encoder
        pytest.skip(f"no HEIC encoder here: {error}")
    return buffer.getvalue()


def test_a_tiled_heic_is_one_whole_picture():
    picture = np.kron(blocks(8, 12), np.ones((30, 30, 1), np.uint8))
    data = heic(picture, tile_size=128)
    with av.open(io.BytesIO(data)) as container:
        assert len(container.streams.video) > 1  # FFmpeg sees tiles
    assert close(Clip.from_bytes(data).frames[0], picture)


def test_a_heic_of_odd_size_is_cropped_to_it():
    picture = np.kron(blocks(), np.ones((2, 2, 1), np.uint8))[:61, :45]
    assert close(Clip.from_bytes(heic(picture)).frames[0], picture)


@pytest.mark.parametrize("orientation", TURNS)
def test_a_heic_is_turned_once_though_phones_say_so_twice(orientation):
    """Its own boxes turn it, and EXIF repeats the orientation."""
    exif = Image.Exif()
    exif[274] = orientation
    picture = blocks(64, 96)
    shown = Clip.from_bytes(heic(picture, exif=exif.tobytes())).frames[0]
    assert close(shown, TURNS[orientation](picture))


def test_without_its_reader_a_tiled_heic_is_refused_with_the_remedy(monkeypatch):
    data = heic(np.kron(blocks(8, 12), np.ones((30, 30, 1), np.uint8)), tile_size=128)
    from phyrefine.video.reading import files

    monkeypatch.setattr(files, "has_heif", lambda: False)
    with pytest.raises(VideoError, match=r"phyrefine\[heic\]"):
        Clip.from_bytes(data)


def mp4(frames, *, pixels="yuv420p", codec="libx264", form="mp4", rate=8, options=None, **tags):
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = frames[0].height, frames[0].width, pixels
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        for frame in frames:
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def pictures(count=4):
    return [av.VideoFrame.from_ndarray(blocks(), format="rgb24") for _ in range(count)]


@pytest.mark.parametrize(
    ("aperture", "offset", "rows", "columns"),
    [
        ((40, 28), (0, 0), slice(2, 30), slice(4, 44)),
        ((24, 32), (-12, 0), slice(0, 32), slice(0, 24)),
        ((48, 16), (0, 8), slice(16, 32), slice(0, 48)),
        ((39, 31), (-4.5, 0.5), slice(1, 32), slice(0, 39)),
    ],
)
def test_the_clean_aperture_of_a_movie_is_what_is_shown(aperture, offset, rows, columns):
    """``clap`` (ISO 14496-12, 12.1.4): width, height, and the offset of its middle."""
    cropped = with_clap(mp4(pictures()), aperture, offset)
    whole = Clip.from_bytes(mp4(pictures()))
    shown = Clip.from_bytes(cropped, source="a.mp4")
    assert np.array_equal(shown.frames, whole.frames[:, rows, columns])
    assert "clean aperture" in shown.source


@pytest.mark.parametrize(
    ("aperture", "offset"), [((0, 28), (0, 0)), ((400, 28), (0, 0)), ((40, 28), (40, 0))]
)
def test_an_impossible_aperture_is_left_alone(aperture, offset):
    whole = Clip.from_bytes(mp4(pictures()))
    assert Clip.from_bytes(with_clap(mp4(pictures()), aperture, offset)) == whole


def with_clap(data, aperture, offset):
    """An MP4 of one stream with a ``clap`` box in its sample entry."""
    values = []
    for value in (*aperture, *offset):
        values += [round(2 * value), 2]
    box = struct.pack(">I4s" + "IIIIiIiI", 40, b"clap", *values)
    data = bytearray(data)
    inner = data.index(b"avcC") - 4
    data[inner:inner] = box
    for kind in (b"avc1", b"stsd", b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        start = data.index(b"moov") if kind != b"moov" else 0
        place = data.index(kind, start) - 4
        size = int.from_bytes(data[place : place + 4], "big") + len(box)
        data[place : place + 4] = size.to_bytes(4, "big")
    if data.index(b"moov") < data.index(b"mdat"):
        raise AssertionError("the index must come last, or its offsets would move")
    return bytes(data)


# -- more than eight bits ----------------------------------------------------------------------


def coded(level, transfer):
    """A gray 10-bit frame whose signal is ``level`` of 0..1, tagged."""
    luma = round(64 + 876 * level)
    planes = [np.full((32, 48), luma), np.full((16, 24), 512), np.full((16, 24), 512)]
    frame = av.VideoFrame(48, 32, "yuv420p10le")
    for plane, values in zip(frame.planes, planes, strict=True):
        width = plane.line_size // 2
        filled = np.zeros((values.shape[0], width), np.uint16)
        filled[:, : values.shape[1]] = values
        plane.update(filled.tobytes())
    return frame


def hdr(level, transfer):
    return mp4(
        [coded(level, transfer)] * 3, pixels="yuv420p10le", codec="libx264",
        color_primaries=9, color_trc=transfer, colorspace=9,
    )  # fmt: skip


def by_the_standards(level, transfer):
    """The gray level, 0..255, computed here from the standards' formulas, one number at a time."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875

    def to_light(code):
        power = code ** (1 / m2)
        return 10_000 * (max(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)

    def to_code(light):
        power = (light / 10_000) ** m1
        return ((c1 + c2 * power) / (1 + c3 * power)) ** m2

    if transfer == 18:  # HLG: scene light, then the system gamma of 1.2 at 1000 cd/m2
        scene = (
            level**2 / 3
            if level <= 0.5
            else (np.exp((level - 0.55991073) / 0.17883277) + 0.28466892) / 12
        )
        light = 1000 * scene**1.2
    else:
        light = to_light(level)
    top, white = to_code(1000), to_code(203)
    code, most = min(to_code(light) / top, 1), white / top
    knee = 1.5 * most - 0.5
    if code > knee:  # the Hermite spline of BT.2390
        t = (code - knee) / (1 - knee)
        code = (
            (2 * t**3 - 3 * t**2 + 1) * knee
            + (t**3 - 2 * t**2 + t) * (1 - knee)
            + (-2 * t**3 + 3 * t**2) * most
        )
    return 255 * min(to_light(code * top) / 203, 1) ** (1 / 2.4)


@pytest.mark.parametrize("level", [0.0, 0.2, 0.38, 0.5, 0.58, 0.75, 0.9, 1.0])
@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_tone_mapped_by_bt2390_with_a_warning(level, transfer, name, caplog):
    with caplog.at_level(logging.WARNING, "phyrefine"):
        clip = Clip.from_bytes(hdr(level, transfer), source="phone.mov")
    assert f"{name} high dynamic range tone-mapped to BT.709 by BT.2390" in clip.source
    assert f"phone.mov: {name} high dynamic range" in caplog.text
    gray = clip.frames.mean(axis=(0, 1, 2))
    assert np.ptp(gray) < 1.5  # gray stays gray
    assert gray.mean() == pytest.approx(by_the_standards(level, transfer), abs=2.5)


def test_hdr_is_made_smaller_before_it_is_mapped(monkeypatch):
    mapped = []
    whole = tone_mapping.tone_map

    def counting(pixels, transfer):
        mapped.append(pixels.shape)
        return whole(pixels, transfer)

    monkeypatch.setattr(tone_mapping, "tone_map", counting)
    data = hdr(0.5, 16)
    from phyrefine.video.reading.files import decode_footage
    from phyrefine.video.reading.request import Part

    small = decode_footage(data, part=Part(size=(8, 8)))
    assert small.frames.shape == (3, 8, 8, 3)
    assert mapped[0] == (8, 12, 3)


def test_ordinary_video_gives_no_warning(caplog):
    with caplog.at_level(logging.WARNING, "phyrefine"):
        Clip.from_bytes(mp4(pictures()))
    assert not caplog.records


@pytest.mark.parametrize("codec", ["vp8", "vp9"])
def test_alpha_of_webm_lies_over_black(codec):
    clip = Clip.read(MEDIA / f"alpha-{codec}.webm")
    assert len(clip) == 3
    assert clip.frames[:, :14].max() < 8
    assert clip.frames[:, 18:, :22].mean() == pytest.approx(100, abs=6)
    assert clip.frames[:, 18:, 26:].mean() == pytest.approx(200, abs=6)
    assert Clip.read(MEDIA / f"alpha-{codec}.webm", start=-0.25) == clip.seconds(-0.25)


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_alpha_is_what_libvpx_makes_of_it(tmp_path, codec):
    path = tmp_path / "moving.webm"
    write_alpha(path, codec)
    with av.open(path) as container:
        (stream,) = container.streams.video
        decoder = av.CodecContext.create(codec, "r")
        decoder.extradata = stream.codec_context.extradata
        expected = [
            planes_of(frame)
            for packet in container.demux(stream)
            for frame in decoder.decode(packet if packet.size else None)
        ]
    with av.open(path) as container:
        (stream,) = container.streams.video
        found = [planes_of(frame) for frame in frames_of(container, stream, [0])]
    assert len(found) == len(expected) == 20
    for ours, theirs in zip(found, expected, strict=True):
        assert len(ours) == len(theirs) == 4
        assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def write_alpha(path, codec):
    """Twenty frames of a moving square, half transparent, with the encoder's hidden frames."""
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=24, width=98, height=50, pix_fmt="yuva420p")
        stream.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "8"}
        if codec == "libvpx":
            stream.options = {**stream.options, "auto-alt-ref": "0"}
        for number in range(20):
            pixels = np.full((50, 98, 4), 90, np.uint8)
            pixels[10:30, 3 * number : 3 * number + 20] = (200, 30, 20, 255 - 8 * number)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgba")
            container.mux(stream.encode(frame.reformat(format="yuva420p")))
        container.mux(stream.encode(None))


def planes_of(frame):
    return [
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:, : plane.width].copy()
        for plane in frame.planes
    ]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_a_damaged_packet_that_announces_a_huge_picture_takes_no_memory():
    """16,383 x 16,383 pixels are 400 MB a frame, of which a decoder keeps several."""
    data = bytearray((MEDIA / "alpha-vp8.webm").read_bytes())
    key_frame = data.index(b"\x9d\x01\x2a")  # RFC 6386, section 9.1: then width and height
    data[key_frame + 3 : key_frame + 7] = b"\xff\x3f\xff\x3f"
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_mb()
    with pytest.raises(VideoError):
        Clip.from_bytes(bytes(data))
    assert peak_mb() - before < 100


def test_a_frame_far_larger_than_the_file_says_is_not_decoded():
    buffer, large = io.BytesIO(), io.BytesIO()
    Image.new("L", (8000, 6000)).save(large, "JPEG")
    with av.open(buffer, "w", "matroska") as container:
        stream = container.add_stream("mjpeg", rate=8, width=64, height=48, pix_fmt="yuvj420p")
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))
        container.mux(stream.encode(frame.reformat(format="yuvj420p")))
        packet = av.Packet(large.getvalue())
        packet.stream, packet.pts, packet.dts, packet.time_base = stream, 1, 1, stream.time_base
        container.mux(packet)
    with pytest.raises(VideoError, match="damaged after 1 frames"):
        Clip.from_bytes(buffer.getvalue())


def peak_mb():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bit_pictures_become_eight(form):
    wide = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    buffer = io.BytesIO()
    Image.fromarray(wide).save(buffer, form)
    shown = Clip.from_bytes(buffer.getvalue()).frames[0]
    expected = np.rint(wide / 257).astype(int)
    assert np.abs(shown - expected[..., None]).max() <= 1
    assert np.array_equal(Clip.from_images([Image.fromarray(wide)], 8).frames[0], shown)


def test_pictures_of_floats_and_of_unknown_range():
    shade = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    assert Clip.from_images([Image.fromarray(shade)], 8).frames[0, -1, -1].tolist() == [255] * 3
    for wrong in (Image.fromarray(shade * 300), Image.fromarray(np.ones((4, 4), np.int32))):
        with pytest.raises(VideoError):
            Clip.from_images([wrong], 8)
    with pytest.raises(VideoError, match=r"pass \[image\]"):
        Clip.from_images(Image.fromarray(blocks()), 8)
    for wrong in ([blocks()], ["a.png"], "a.png", 3):
        with pytest.raises(VideoError):
            Clip.from_images(wrong, 8)


def test_what_pillow_warns_of_is_a_line_that_names_the_file(caplog):
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[274], exif[270] = 6, "a picture" * 20
    Image.fromarray(blocks()).save(buffer, "JPEG", exif=exif)
    data = bytearray(buffer.getvalue())
    at = data.index(b"Exif\0\0") + 6 + 8  # the number of entries of the first directory
    data[at : at + 2] = b"\x00\x40"
    clip = Clip.from_bytes(bytes(data), source="phone.jpg")
    assert clip.size in ((32, 48), (48, 32))
    assert "phone.jpg: Corrupt EXIF data" in caplog.text or "phone.jpg: Tag data" in caplog.text
