import numpy as np
import pytest

from phyrefine.errors import InvalidInputError
from phyrefine.video.masks import (
    THRESHOLD,
    MaskTrack,
    TrackBuilder,
    bit_iou,
    bit_ious,
    motion_masks,
    noise_level,
    threshold_for,
)
from phyrefine.video.overlap import activity_overlap, iou, spatiotemporal_iou

RNG = np.random.default_rng(3)


def noisy(sigma, shape=(12, 30, 40)):
    return (120 + RNG.normal(0, sigma, shape)).astype(np.float32)


@pytest.mark.parametrize("sigma", [0.5, 2.0, 6.0])
def test_noise_is_measured_also_beside_things_that_move(sigma):
    gray = noisy(sigma)
    for t in range(len(gray)):
        gray[t, 10:20, 3 * t : 3 * t + 8] = 250
    assert noise_level(gray) == pytest.approx(sigma, rel=0.15)


def test_one_frame_has_no_noise_to_measure():
    assert noise_level(noisy(5.0)[:1]) == 0.0


def test_the_threshold_is_the_benchmarks_until_noise_asks_for_more():
    assert threshold_for(0.0) == THRESHOLD == 10.0
    assert threshold_for(1.0) == 10.0
    assert threshold_for(4.0) == pytest.approx(22.0)
    assert threshold_for(100.0) == 60.0


@pytest.mark.parametrize("sigma", [0.0, 1.0, 4.0, 8.0])
def test_noise_alone_moves_nothing_and_a_bright_thing_still_does(sigma):
    gray = noisy(sigma, (30, 60, 80))
    assert motion_masks(gray, threshold_for(noise_level(gray))).sum() <= 2
    for t in range(30):
        gray[t, 20:30, 2 * t : 2 * t + 10] = 250
    masks = motion_masks(gray, threshold_for(noise_level(gray)))
    assert masks[1:].any(axis=(1, 2)).all()
    assert not masks[0].any()


def test_the_running_background_is_updated_before_the_difference():
    gray = np.zeros((3, 1, 2), np.float32)
    gray[1:, 0, 0] = 15.0  # differs by 10.5 from a background that moved by 30 %
    gray[1:, 0, 1] = 14.0  # by 9.8
    assert motion_masks(gray)[1].tolist() == [[True, False]]
    assert not motion_masks(gray)[2].any()


def test_masks_as_bits_give_the_same_overlap():
    a, b = RNG.random((2, 5, 7, 13)) > 0.5
    one, other = MaskTrack.of(a), MaskTrack.of(b)
    assert len(one) == 5
    for t in range(5):
        assert bit_iou(one.bits[t], other.bits[t]) == iou(a[t], b[t])
    assert bit_ious(one.bits, other.bits).tolist() == spatiotemporal_iou(a, b).tolist()
    assert bit_iou(one.moved, other.moved) == iou(a.any(axis=0), b.any(axis=0))
    assert one.moving_share == a.any(axis=0).mean()
    built = TrackBuilder((7, 13))
    built.add(a)
    assert np.array_equal(built.build().bits, one.bits)
    assert np.array_equal(built.build().counts, one.counts)


def test_what_empty_masks_say_is_the_callers_choice():
    nothing = np.zeros((2, 3, 4), bool)
    assert iou(nothing, nothing) == 1.0
    assert np.isnan(iou(nothing, nothing, empty=np.nan))
    assert np.isnan(spatiotemporal_iou(nothing, nothing, empty=np.nan)).all()
    assert activity_overlap(nothing.mean(0), nothing.mean(0), empty=0.5) == 0.5
    track = MaskTrack.of(nothing)
    assert np.isnan(bit_iou(track.moved, track.moved, empty=np.nan))
    assert bit_iou(track.moved, track.moved) == 1.0
    assert bit_ious(track.bits, track.bits, empty=0.25).tolist() == [0.25, 0.25]


def test_masks_of_other_shapes_are_refused():
    with pytest.raises(InvalidInputError, match="differ in shape"):
        spatiotemporal_iou(np.zeros((2, 3, 4), bool), np.zeros((3, 3, 4), bool))
    with pytest.raises(InvalidInputError, match="non-empty"):
        spatiotemporal_iou(np.zeros((3, 4), bool), np.zeros((3, 4), bool))
