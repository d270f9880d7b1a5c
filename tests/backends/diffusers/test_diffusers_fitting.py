import numpy as np
import pytest

from phyrefine.backends.continuing.fitting import Fit, model_size
from phyrefine.errors import InvalidInputError
from phyrefine.video.clip import Clip
from phyrefine.video.frames import resize


def gradient(height, width, count=2):
    """Smooth in both axes, so that a shift or a zoom changes it everywhere."""
    rows = np.linspace(20, 220, height)[:, None, None]
    columns = np.linspace(0, 30, width)[None, :, None]
    return np.repeat((rows + columns + np.zeros(3))[None], count, axis=0).astype(np.uint8)


def test_a_fixed_model_keeps_its_size_and_a_free_one_takes_the_aspect():
    assert model_size((480, 832), (90, 90), multiple=16, fixed=True) == (480, 832)
    height, width = model_size((480, 832), (720, 1280), multiple=16, fixed=False)
    assert (height, width) == (480, 848)
    assert height % 16 == width % 16 == 0
    assert abs(height * width / (480 * 832) - 1) < 0.05


def test_without_a_wish_the_native_size_stays():
    assert model_size((480, 832), None, multiple=16, fixed=False) == (480, 832)


@pytest.mark.parametrize("picture", [(48, 64), (64, 48), (45, 81), (31, 97)])
def test_padding_is_undone_exactly(picture):
    fit = Fit.of(picture, (64, 96))
    frames = gradient(*picture)
    taken = fit.take(fit.put(frames))
    _, _, height, width = fit.box
    assert taken.shape[1:3] == (height, width)
    np.testing.assert_array_equal(taken, resize(frames, height, width, mode="stretch"))


def test_padding_repeats_the_border():
    put = Fit.of((32, 32), (32, 64)).put(gradient(32, 32))
    np.testing.assert_array_equal(put[:, :, 0], put[:, :, 16])
    np.testing.assert_array_equal(put[:, :, -1], put[:, :, 47])


@pytest.mark.parametrize("mode", ["pad", "stretch"])
@pytest.mark.parametrize("picture", [(48, 64), (45, 81), (90, 60)])
def test_what_comes_back_lies_where_the_prefix_lay(mode, picture):
    fit = Fit.of(picture, (64, 96), mode)
    frames = gradient(*picture)
    native = Clip(fit.take(fit.put(frames)), 8.0)
    back = fit.deliver(native, frames=2, fps=8.0, size=picture)
    assert back.size == picture
    assert np.abs(back.frames.astype(int) - frames).max() <= 3


def test_another_aspect_crops_the_picture_and_not_the_model_frame():
    fit = Fit.of((40, 80), (64, 64), "stretch")
    native = Clip(fit.take(fit.put(gradient(40, 80))), 8.0)
    square = fit.deliver(native, frames=2, fps=8.0, size=(40, 40))
    wanted = gradient(40, 80)[:, :, 20:60]
    assert np.abs(square.frames.astype(int) - wanted).max() <= 3


def test_native_frames_are_cut_to_what_is_delivered():
    fit = Fit.of((32, 32), (32, 32))
    native = Clip(gradient(32, 32, count=20), 8.0)
    clip = fit.deliver(native, frames=24, fps=24.0, size=(16, 16))
    assert len(clip) == 24
    assert clip.native is not None
    assert clip.native.size == (32, 32)
    assert len(clip.native) == 8


def test_unknown_modes_are_refused():
    with pytest.raises(InvalidInputError, match="'pad', 'stretch' or 'crop', not 'zoom'"):
        Fit.of((8, 8), (8, 8), "zoom")
