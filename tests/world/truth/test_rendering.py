"""Pixels show what the trajectory says, at any size and from every camera."""

import numpy as np
import pytest

from phyrefine.errors import InvalidInputError
from phyrefine.world.eye.measuring.regions import spread
from phyrefine.world.truth.physics.rendering import CAMERAS, masks, render
from phyrefine.world.truth.scenes import KINDS, sample_scene, simulate


@pytest.mark.parametrize("size", [(64, 48), (33, 21), (160, 90)])
def test_shape_and_type(size):
    trajectory = simulate(sample_scene("drop", 1), seconds=1.0, fps=4)
    frames = render(trajectory, size)
    assert frames.shape == (4, size[1], size[0], 3)
    assert frames.dtype == np.uint8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("camera", CAMERAS)
def test_moving_bodies_stand_out_where_their_masks_are(kind, camera):
    trajectory = simulate(sample_scene(kind, 2), seconds=4.0, fps=2)
    frames = render(trajectory, (96, 72), camera, noise=0.0).astype(int)
    moved = np.abs(frames[-1] - frames[0]).max(axis=-1) > 12
    first, last = (np.any(stack, axis=0) for stack in _ends(trajectory, camera))
    if kind != "stain":
        # An edge covers its last pixel in part, along the diagonal too.
        assert not (moved & ~spread((first | last)[None])[0]).any()
    uncovered = first ^ last
    assert (uncovered & ~moved).sum() <= 0.02 * uncovered.sum()
    assert moved.any()


def _ends(trajectory, camera):
    found = masks(trajectory, (96, 72), camera).values()
    return [mask[0] for mask in found], [mask[-1] for mask in found]


def test_same_seed_same_pixels_and_cameras_differ():
    trajectory = simulate(sample_scene("collision", 1), seconds=1.0, fps=2)
    frames = [render(trajectory, (64, 48), camera) for camera in CAMERAS]
    assert np.array_equal(frames[0], render(trajectory, (64, 48), "left"))
    assert not np.array_equal(frames[0], frames[1])
    assert not np.array_equal(frames[1], frames[2])


def test_noise_is_mild_and_can_be_turned_off():
    trajectory = simulate(sample_scene("drop", 1), seconds=1.0, fps=2)
    clean = render(trajectory, (64, 48), noise=0.0).astype(float)
    grain = render(trajectory, (64, 48)).astype(float) - clean
    assert np.array_equal(clean[0], clean[1])
    assert 1.0 < grain.std() < 2.0


def test_ball_covers_its_area():
    scene = sample_scene("drop", 1)
    mask = masks(simulate(scene, seconds=0.5, fps=2), (128, 96))["ball"]
    expected = np.pi * (scene.number("radius") * 32) ** 2
    assert mask[0].sum() == pytest.approx(expected, rel=0.05)


def test_too_small_is_refused():
    with pytest.raises(InvalidInputError, match="4x4"):
        render(simulate(sample_scene("drop", 1), seconds=1.0, fps=1), (4, 4))
