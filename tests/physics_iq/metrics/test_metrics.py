"""The four metrics against the official program's stored numbers, without OpenCV."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.metrics import measures as metrics

DATA = Path(__file__).parents[2] / "data" / "physics_iq"
BASE = DATA / "base"
SCENE = "trimmed-syn-pendulum-07.mp4"
CASES = [
    ("near_real", "0013", "perspective-left", "trimmed-syn-collide-05"),
    ("near_real", "0029", "perspective-center", "trimmed-syn-throw-10"),
    ("near_real", "0048", "perspective-right", "trimmed-syn-light-16"),
    ("drift", "0013", "perspective-left", "trimmed-syn-collide-05"),
]


def decode(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        frames = [
            frame.reformat(format="bgr24", interpolation="BICUBIC").to_ndarray()
            for frame in container.decode(video=0)
        ]
    return np.stack(frames)


def quarter(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The benchmark's bilinear resize at exactly 4:1: the mean of the four middle pixels."""
    x = frames.astype(np.uint16)
    middle = x[:, 1::4, 1::4] + x[:, 1::4, 2::4] + x[:, 2::4, 1::4] + x[:, 2::4, 2::4]
    return ((middle + 2) >> 2).astype(np.uint8)


def golden_row(model: str, folder: Path, scene: str = SCENE) -> dict[str, str]:
    with gzip.open(folder / "results" / f"{model}.csv.gz", "rt") as stream:
        return next(row for row in csv.DictReader(stream) if row["scenario"] == scene)


def numbers(text: str) -> list[float]:
    return [float(part) for part in text.strip("[]").split(",")]


@pytest.mark.parametrize(("model", "number", "view", "scene"), CASES)
def test_frame_errors_equal_the_official_ones(
    model: str, number: str, view: str, scene: str
) -> None:
    real = decode(
        next((BASE / "physics-IQ-benchmark/split-videos/testing/30FPS").glob(f"{number}_*"))
    )
    generated = decode(BASE / "generated" / model / f"{number}_{view}_{scene}.mp4")
    errors = metrics.mean_squared_errors(quarter(real), quarter(generated))
    np.testing.assert_allclose(
        errors,
        numbers(golden_row(model, BASE, f"{scene}.mp4")[f"v1_mse_{view}"]),
        rtol=0,
        atol=1e-12,
    )


@pytest.mark.parametrize("rate", [30, 24])
def test_mask_metrics_of_two_takes_equal_the_official_ones(rate: int) -> None:
    moving = DATA / "edge" / "moving"
    folder = moving / f"physics-IQ-benchmark/video-masks/real/{rate}FPS"
    first, second = (
        quarter(decode(folder / f"{number}_video-masks_{rate}FPS_perspective-left_{take}_{SCENE}"))[
            ..., 0
        ]
        > metrics.MASK_THRESHOLD
        for number, take in (("0019", "take-1"), ("0217", "take-2"))
    )
    row = golden_row("near_real" if rate == 30 else f"near_real_{rate}fps", moving)
    view = "perspective-left"
    np.testing.assert_allclose(
        metrics.spatiotemporal_iou(first, second),
        numbers(row[f"variance_spatiotemporal_iou_{view}"]),
        rtol=0,
        atol=1e-12,
    )
    spatial = float(row[f"variance_spatial_{view}"])
    weighted = float(row[f"variance_weighted_spatial_{view}"])
    assert metrics.spatial_iou(first, second) == pytest.approx(spatial, abs=1e-12)
    assert metrics.weighted_spatial_iou(first, second) == pytest.approx(weighted, abs=1e-12)


def test_values_by_hand() -> None:
    a = np.zeros((2, 2, 2), bool)
    b = np.zeros((2, 2, 2), bool)
    a[1, 0, 0] = a[1, 0, 1] = True
    b[0, 0, 0] = b[1, 0, 0] = True
    assert metrics.spatiotemporal_iou(a, b).tolist() == [0.0, 0.5]
    assert metrics.spatial_iou(a, b) == 0.5
    assert metrics.weighted_spatial_iou(a, b) == pytest.approx(0.5 / 1.5)
    frames = np.zeros((1, 2, 2, 3), np.uint8)
    other = frames.copy()
    other[0, 0, 0, 0] = 255
    assert metrics.mean_squared_errors(frames, other).tolist() == pytest.approx([1 / 12])
    result = metrics.compare(np.repeat(frames, 2, 0), a, np.repeat(other, 2, 0), b)
    assert result.spatiotemporal_iou == (0.0, 0.5)
    assert result.mse == pytest.approx((1 / 12, 1 / 12))


def test_two_clips_in_which_nothing_moves_agree() -> None:
    still = np.zeros((3, 4, 4), bool)
    assert metrics.spatiotemporal_iou(still, still).tolist() == [1.0, 1.0, 1.0]
    assert metrics.spatial_iou(still, still) == 1.0
    assert metrics.weighted_spatial_iou(still, still) == 1.0


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ((3, 4, 4), (2, 4, 4), r"\(3, 4, 4\) and \(2, 4, 4\)"),
        ((0, 4, 4), (0, 4, 4), "non-empty"),
        ((4, 4), (4, 4), r"\[T, H, W\]"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    a: tuple[int, ...], b: tuple[int, ...], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        metrics.spatial_iou(np.zeros(a, bool), np.zeros(b, bool))
