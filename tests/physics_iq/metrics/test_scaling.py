"""Frames at the metrics' size: strips and left-out rows give the bytes of the whole way."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest

from phyrefine.physics_iq.data.decoding import BgrReader, planes
from phyrefine.physics_iq.metrics import scaling
from phyrefine.physics_iq.metrics.scaling import GrayReader, SmallReader, scale, to_gray

BT709, UNTAGGED = 1, 2
LIMITED, FULL = 1, 2


def noise(
    width: int, height: int, *, form: str = "yuv420p", matrix: int = UNTAGGED, span: int = 0
) -> Any:
    frame = av.VideoFrame(width, height, form)
    frame.colorspace, frame.color_range = matrix, span
    rng = np.random.default_rng(width + height)
    for pixels in planes(frame):
        pixels[:] = rng.integers(0, 256, pixels.shape, dtype=np.uint8)
    return frame


FRAMES = {
    "strips": noise(768, 960),
    "strips of few rows": noise(640, 352),
    "a width without vectors": noise(4 * 27, 4 * 24),
    "tagged matrix": noise(256, 160, matrix=BT709),
    "full range": noise(256, 160, span=FULL),
    "full range, by format": noise(256, 160, form="yuvj420p"),
    "limited range, tagged": noise(256, 160, matrix=BT709, span=LIMITED),
    "chroma of every row": noise(256, 160, form="yuv422p"),
    "a prime number of rows": noise(256, 4 * 61),
}


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("portable", [False, True], ids=["any converter", "portable converter"])
def test_small_frames_equal_the_resized_whole(
    name: str, portable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if portable:
        monkeypatch.setattr(scaling, "_keeps_bytes", lambda form, width: False)
    frame = FRAMES[name]
    size = frame.height // 4, frame.width // 4
    whole = BgrReader().read(frame)
    reader = SmallReader(size)
    for _ in range(2):  # the second goes through a strip that is in use
        np.testing.assert_array_equal(reader.read(frame), scale(whole, size))
        small, gray = reader.read_with_gray(frame)
        np.testing.assert_array_equal(small, scale(whole, size))
        np.testing.assert_array_equal(gray, to_gray(whole))


def test_the_matrix_is_looked_at_frame_by_frame() -> None:
    reader = SmallReader((40, 64))
    plain, tagged = FRAMES["full range"], FRAMES["tagged matrix"]
    for frame in (plain, tagged, plain):
        wanted = scale(BgrReader().read(frame), (40, 64))
        np.testing.assert_array_equal(reader.read(frame), wanted)


@pytest.mark.parametrize("size", [(45, 80), (40, 64), (20, 32), (160, 256)])
def test_frames_of_other_proportions_are_resized_whole(size: tuple[int, int]) -> None:
    frame = FRAMES["tagged matrix"]
    whole = BgrReader().read(frame)
    small, gray = SmallReader(size).read_with_gray(frame)
    np.testing.assert_array_equal(small, scale(whole, size))
    np.testing.assert_array_equal(SmallReader(size).read(frame), scale(whole, size))
    np.testing.assert_array_equal(gray, to_gray(whole))


@pytest.mark.parametrize("size", [(960, 768), (240, 192), (200, 300)])
def test_small_gray_equals_the_resized_blue_channel(size: tuple[int, int]) -> None:
    frame = noise(768, 960)
    blue = np.ascontiguousarray(BgrReader().read(frame)[..., 0])
    np.testing.assert_array_equal(GrayReader(size).read(frame), scale(blue, size))
    for chroma in planes(frame)[1:]:
        chroma[:] = 128
    blue = np.ascontiguousarray(BgrReader().read(frame)[..., 0])
    np.testing.assert_array_equal(GrayReader(size).read(frame), scale(blue, size))
    np.testing.assert_array_equal(GrayReader().read(frame), blue)


@pytest.mark.parametrize("height", [180, 120, 80, 160, 270, 420, 240])  # 4:3, 2:1, 3:1, 3:2, ...
@pytest.mark.parametrize("rows", [(0, 3), (117, 125), (150, 240), (199, 203), (237, 240), (0, 240)])
def test_a_mask_resized_in_strips_equals_the_whole(height: int, rows: tuple[int, int]) -> None:
    frame = noise(1280, 240)
    for part in planes(frame)[1:]:
        part[:] = 128
    luma = planes(frame)[0]
    luma[: rows[0]], luma[rows[1] :] = 16, 16
    blue = np.ascontiguousarray(BgrReader().read(frame)[..., 0])
    gray = GrayReader((height, 960)).read(frame)
    np.testing.assert_array_equal(gray, scale(blue, (height, 960)))
    assert gray.any()


@pytest.mark.parametrize("row", [81, 82, 122, 125, 158])  # strips begin at 124
def test_a_lone_bright_row_of_a_dark_mask_is_seen(row: int) -> None:
    frame = noise(2560, 240)
    for part, value in zip(planes(frame), (16, 128, 128), strict=True):
        part[:] = value
    planes(frame)[0][row, 100:140] = 235
    gray = GrayReader((60, 640)).read(frame)
    blue = np.ascontiguousarray(BgrReader().read(frame)[..., 0])
    np.testing.assert_array_equal(gray, scale(blue, (60, 640)))
    assert gray.max() == 128
