"""Masks, mask files and decoding against the official program's stored arrays."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from phyrefine.physics_iq.data import decoding
from phyrefine.physics_iq.metrics import masks, scaling
from phyrefine.physics_iq.synthetic.dataset import write_mask_file

DATA = Path(__file__).parents[2] / "data" / "physics_iq"
CLIPS = ["near_real-0013", "near_real-0029", "near_real-0048", "drift-0048", "real-0014"]


def sha(array: NDArray[np.generic]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def clip_path(name: str) -> Path:
    model, number = name.split("-")
    folder = (
        DATA / "base/physics-IQ-benchmark/split-videos/testing/30FPS"
        if model == "real"
        else DATA / "base/generated" / model
    )
    return next(folder.glob(f"{number}_*.mp4"))


def frames_of(path: Path) -> list[NDArray[np.uint8]]:
    reader = decoding.BgrReader()
    return [reader.read(frame) for frame in decoding.decode(path)]


def bits(stored: np.lib.npyio.NpzFile, key: str) -> NDArray[np.bool_]:
    width = stored[f"{key}_shape"][-1]
    return np.unpackbits(stored[key], axis=-1)[..., :width].astype(bool)


def metric_masks(
    frames: list[NDArray[np.uint8]], size: tuple[int, int], *, lossless: bool = False
) -> NDArray[np.bool_]:
    made = masks.MetricMasks(size, 30, lossless=lossless)
    ready = [mask for frame in frames for mask in made.push(frame)]
    return np.stack([*ready, *made.finish()])


@pytest.mark.parametrize("name", CLIPS)
def test_every_stage_equals_the_official_program(name: str) -> None:
    stored = np.load(DATA / "arrays" / f"{name}.npz")
    frames = frames_of(clip_path(name))
    assert [sha(frame) for frame in frames] == stored["frame_sha"].tolist()
    scaled = [scaling.scale(frame, (24, 40)) for frame in frames]
    assert [sha(frame) for frame in scaled] == stored["scaled_frame_sha"].tolist()

    masker, file = masks.MotionMasker(), masks.MaskFile(30)
    made = [masker.push(frame) for frame in frames]
    np.testing.assert_array_equal(np.stack(made) > 0, bits(stored, "mask_memory"))
    read = [gray for mask in made for gray in file.push(mask)] + file.finish()
    as_bgr = [np.repeat(gray[..., None], 3, axis=-1) for gray in read]
    assert [sha(gray) for gray in as_bgr] == stored["mask_file_frame_sha"].tolist()

    seen = metric_masks(frames, (24, 40))
    np.testing.assert_array_equal(seen, bits(stored, "mask_scaled"))


def test_masks_of_large_clips_wait_and_come_out_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = frames_of(clip_path("drift-0048"))
    at_once = metric_masks(frames, (24, 40))
    monkeypatch.setattr(masks, "_LARGE", 0)
    made = masks.MetricMasks((24, 40), 30)
    assert not any(made.push(frame.copy()) for frame in frames)
    np.testing.assert_array_equal(np.stack(list(made.finish())), at_once)
    assert at_once.any()
    with pytest.raises(ValueError, match="begin another"):
        made.push(frames[0])


@pytest.mark.parametrize("density", [0, 0.001, 0.5, 1])
def test_a_waiting_mask_is_the_mask(density: float) -> None:
    rng = np.random.default_rng(2)
    mask = (rng.random((37, 53)) < density).astype(np.uint8) * np.uint8(masks.ON - masks.OFF)
    np.testing.assert_array_equal(masks.PackedMask.of(mask).unpack(), mask)


def test_lossless_masks_differ_only_at_edges() -> None:
    frames = frames_of(clip_path("near_real-0029"))
    lossy = metric_masks(frames, (24, 40))
    clean = metric_masks(frames, (24, 40), lossless=True)
    flipped = np.count_nonzero(lossy ^ clean)
    assert 0 < flipped < 0.2 * np.count_nonzero(clean)


@pytest.mark.parametrize("top", [0, 2, 60, 62, 64, 66, 120, 190])  # strips have 64 rows
def test_opening_and_closing_where_something_moves_equal_those_of_the_whole(
    top: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(top)
    frames = [np.full((200, 80), 90, np.uint8) for _ in range(3)]
    for frame in frames[1:]:  # patches of all sizes, in a few rows
        patches = rng.random((10, 40)) < 0.4
        frame[top : top + 10, 40:] = np.where(patches, 200, 90)[: len(frame[top : top + 10])]
        frame[top : top + 7, 3:12] = 240
    part, whole = masks.MotionMasker(), masks.MotionMasker()
    seen = [part.push(frame.copy()) for frame in frames]
    monkeypatch.setattr(masks, "_REACH", 1000)
    wanted = [whole.push(frame.copy()) for frame in frames]
    np.testing.assert_array_equal(np.stack(seen), np.stack(wanted))
    assert np.stack(seen).any()


@pytest.mark.parametrize("name", ["near_real-0013", "drift-0048"])
def test_a_written_mask_file_holds_the_official_pictures(name: str, tmp_path: Path) -> None:
    stored = np.load(DATA / "arrays" / f"{name}.npz")
    write_mask_file(clip_path(name), tmp_path / "mask.mp4", 30)
    shown = [sha(frame) for frame in frames_of(tmp_path / "mask.mp4")]
    assert shown == stored["mask_file_frame_sha"].tolist()


def test_a_still_clip_has_no_motion() -> None:
    still = [np.full((18, 32, 3), 90, np.uint8)] * 8
    assert not metric_masks(still, (4, 8)).any()


def test_gray_of_a_mask_file_equals_its_blue_channel() -> None:
    folder = DATA / "edge/moving/physics-IQ-benchmark/video-masks/real/30FPS"
    reader, gray, small = decoding.BgrReader(), scaling.GrayReader(), scaling.GrayReader((24, 40))
    for frame in decoding.decode(next(folder.glob("0019_*")), limit=40):
        blue = reader.read(frame)[..., 0]
        np.testing.assert_array_equal(gray.read(frame), blue)
        np.testing.assert_array_equal(small.read(frame), scaling.scale(blue, (24, 40)))


def test_odd_sizes_are_cut_to_even_ones() -> None:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (19, 33, 3), dtype=np.uint8) for _ in range(4)]
    file, masker = masks.MaskFile(30), masks.MotionMasker()
    read = [gray for frame in frames for gray in file.push(masker.push(frame))] + file.finish()
    assert [gray.shape for gray in read] == [(18, 32)] * 4


def test_the_mask_file_keeps_gray_gray(monkeypatch: pytest.MonkeyPatch) -> None:
    # Its frames are read by their luma alone, which is exact only while chroma stays neutral.
    rng = np.random.default_rng(1)
    pictures = []
    monkeypatch.setattr(scaling.GrayReader, "read_luma", lambda self, frame: pictures.append(frame))
    file = masks.MaskFile(30)
    for _ in range(14):
        mask = (rng.random((48, 64)) < 0.3).astype(np.uint8) * np.uint8(masks.ON - masks.OFF)
        file.push(mask)
    file.finish()
    assert len(pictures) == 14
    for picture in pictures:
        chroma = decoding.planes(picture)[1:]
        assert {int(part.min()) for part in chroma} == {int(part.max()) for part in chroma} == {128}
