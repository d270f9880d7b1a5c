import numpy as np
import pytest
from pools import ball, pool, scene, still

from phyrefine.select.scorers.kinematics import (
    EVERY,
    NORMALIZED,
    RAW,
    Kinematics,
    PixelEncoder,
    clip_features,
    statistics,
)
from phyrefine.select.scorers.motion import MotionAmount
from phyrefine.select.scorers.motion_quality import MotionQuality, quality
from phyrefine.video.clip import Clip

RNG = np.random.default_rng(11)
PATH = np.array([(0, 0), (1, 0), (2, 0), (2, 1), (2, 3)], float)


def test_the_five_statistics_of_a_known_path():
    found = statistics(PATH, window=2)
    assert found["speed_variation"] == pytest.approx(0.433013, abs=1e-6)
    assert found["curvature"] == pytest.approx(0.523599, abs=1e-6)
    assert found["angle_variation"] == pytest.approx(0.740480, abs=1e-6)
    assert found["acceleration"] == pytest.approx(0.804738, abs=1e-6)
    assert found["residual"] == pytest.approx(0.804738, abs=1e-6)  # with two points the same
    assert statistics(PATH, window=3)["residual"] == pytest.approx(1.604634, abs=1e-6)
    assert found["speed_variation_normalized"] == pytest.approx(0.433013 / 1.25, abs=1e-6)


def test_invariances():
    path = RNG.normal(size=(20, 6)).cumsum(axis=0)
    turn = np.linalg.qr(RNG.normal(size=(6, 6)))[0]
    plain, turned, scaled = (statistics(z) for z in (path, path @ turn, 3 * path))
    backward = statistics(path[::-1])
    for name in EVERY:
        factor = 3.0 if name in ("speed_variation", "acceleration", "residual") else 1.0
        assert turned[name] == pytest.approx(plain[name])
        assert scaled[name] == pytest.approx(factor * plain[name])
    for name in RAW[:4]:  # a clip played backward is not caught
        assert backward[name] == pytest.approx(plain[name])


def test_a_frozen_path_has_no_angles():
    found = statistics(np.ones((8, 3)))
    assert (found["speed_variation"], found["acceleration"], found["residual"]) == (0, 0, 0)
    assert np.isnan([found["curvature"], found["angle_variation"]]).all()
    assert np.isnan(found["speed_variation_normalized"])
    assert np.isnan(list(statistics(np.ones((1, 3))).values())).all()


def test_a_straight_line_has_no_residual():
    line = np.outer(np.arange(9.0), (1, 2))
    assert statistics(line)["residual"] == pytest.approx(0.0, abs=1e-12)
    assert statistics(line)["curvature"] == pytest.approx(0.0, abs=1e-6)


def jumpy(seed=0):
    frames = ball().frames.copy()
    order = np.arange(len(frames))
    np.random.default_rng(seed).shuffle(order[4:])
    return Clip(frames[order], 8.0)


@pytest.mark.parametrize("signals", ["normalized", "raw", "curvature"])
def test_smooth_motion_is_preferred_to_shuffled(signals):
    said = Kinematics(signals=signals).score_pool(pool(jumpy(1), ball(), jumpy(2)))
    assert max(said.values, key=said.values.get) == "0.1"


def test_the_raw_five_prefer_a_frozen_clip_which_is_why_there_is_a_guard():
    pair = pool(ball(), ball(row=24), still())
    values = Kinematics(signals="acceleration").score_pool(pair).values
    assert max(values, key=values.get) == "0.2"
    assert NORMALIZED[0] not in RAW


def test_features_are_averaged_to_eight_a_second_and_remembered():
    calls = []

    class Counting:
        identity = "counting"

        def encode(self, frames):
            calls.append(len(frames))
            return frames.reshape(len(frames), -1)[:, :5].astype(np.float32)

    clip = Clip(RNG.integers(0, 255, (25, 8, 8, 3), np.uint8), 24.0)
    first = clip_features(Counting(), clip)
    assert first.shape == (8, 5)
    assert first[1] == pytest.approx(clip.frames.reshape(25, -1)[3:6, :5].mean(axis=0))
    assert clip_features(Counting(), Clip(clip.frames.copy(), 24.0)) is first
    assert calls == [25]


def test_pixels_without_weights_are_24_by_32():
    features = PixelEncoder().encode(ball().frames)
    assert features.shape == (16, 768)
    assert 0 <= features.min() < features.max() <= 1


def test_motion_amount_is_a_control_with_a_sign():
    clips = pool(ball(speed=0.5), ball(speed=3.0), still())
    most = MotionAmount(1).score_pool(clips).values
    assert max(most, key=most.get) == "0.1"
    least = MotionAmount(-1).score_pool(clips).values
    assert least == {key: -value for key, value in most.items()}


# -- motion quality --------------------------------------------------------------------------------


def textured(offsets, vanish=None):
    texture = RNG.uniform(0, 255, (16, 16)).astype(np.float32)
    gray = np.full((len(offsets), 48, 64), 90, np.float32)
    for t, at in enumerate(offsets):
        if vanish is None or t < vanish:
            gray[t, 16:32, at : at + 16] = texture
    return gray


def test_even_motion_has_no_jerk_and_matches():
    even = quality(textured(range(4, 40, 3)), textured([0, 1])[:2])
    assert even["jerk"] < 0.2
    assert even["warp_error"] < 10
    jerky = quality(textured([4, 4, 10, 10, 16, 16, 22, 22, 28]))
    assert jerky["jerk"] > 5 * even["jerk"]


def test_a_jump_at_the_seam_is_measured():
    going = textured(range(8, 40, 3))
    smooth = quality(going, textured([2, 5]))
    turned = quality(going, textured([10, 7]))
    assert smooth["seam_jump"] < 0.2 < 0.8 < turned["seam_jump"]
    assert np.isnan(quality(going)["seam_jump"])


def test_what_is_too_small_or_too_short_has_no_quality():
    assert np.isnan(list(quality(np.zeros((5, 6, 9), np.float32)).values())).all()
    assert np.isnan(list(quality(np.zeros((1, 40, 40), np.float32)).values())).all()
    assert np.isnan(quality(np.zeros((5, 40, 40), np.float32))["warp_error"])


def test_motion_quality_prefers_smooth_to_shuffled():
    said = MotionQuality().score_pool(pool(jumpy(1), ball(), jumpy(2), scenario=scene()))
    assert max(said.values, key=said.values.get) == "0.1"
