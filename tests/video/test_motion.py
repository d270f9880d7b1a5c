import numpy as np
import pytest

from phyrefine.video import Clip
from phyrefine.video.motion import is_still, seam_motion


def ball(vx, vy, *, count=24, start=(40, 40), size=(96, 96), noise=3):
    rng = np.random.default_rng(1)
    frames = np.clip(90 + rng.normal(0, noise, (count, *size, 3)), 0, 255).astype(np.uint8)
    for index in range(count):
        row, column = round(start[0] + vy * index), round(start[1] + vx * index)
        frames[index, row : row + 8, column : column + 8] = 230
    return Clip(frames, 24.0)


@pytest.mark.parametrize(
    ("vx", "vy", "words"),
    [(2, 0, "right"), (-1.5, 0, "left"), (0, 1.5, "down"), (0, -1.5, "up"),
     (1.5, 1.5, "down and right"), (-1.5, -1.5, "up and left")],
)  # fmt: skip
def test_direction_and_speed_at_the_seam(vx, vy, words):
    (motion,) = seam_motion(ball(vx, vy))
    assert motion.vx == pytest.approx(vx * 24 / 96, abs=0.03)
    assert motion.vy == pytest.approx(vy * 24 / 96, abs=0.03)
    said = motion.in_words()
    assert f"moving {words} at about" in said


def test_place_is_told():
    (motion,) = seam_motion(ball(2, 0))
    assert "at the middle right" in motion.in_words()


def test_two_things():
    one, two = ball(1, 0, start=(10, 10)), ball(-1, 0, start=(70, 60))
    both = Clip(np.maximum(one.frames, two.frames), 24.0)
    speeds = sorted(motion.vx for motion in seam_motion(both))
    assert len(speeds) == 2
    assert speeds[0] < 0 < speeds[1]


def test_nothing_moves():
    assert seam_motion(ball(0, 0)) == ()
    assert seam_motion(ball(1, 0, count=2)) == ()


def test_stillness_sees_through_noise_but_not_through_motion():
    assert is_still(ball(0, 0))
    assert is_still(ball(0, 0, noise=6))
    assert not is_still(ball(1, 0))
    assert not is_still(ball(0.5, 0, count=12))
    assert is_still(ball(1, 0, count=1))


@pytest.mark.parametrize("frame", [20, 23, 26])
def test_speed_at_the_seam_does_not_lag_behind_gravity(frame):
    """A ball under constant acceleration: the speed near the end, not that of 0.2 s before."""
    frames = np.full((frame + 1, 120, 160, 3), 90, np.uint8)
    rows, columns = np.mgrid[:120, :160]
    for index, picture in enumerate(frames):
        top = 10 + 0.12 * index**2
        ball = np.hypot(rows - top, columns - 80) < 5
        picture[ball] = (250, 120, 40)
    (motion,) = seam_motion(Clip(frames, 30.0))
    true = 0.24 * (frame - 2) * 30 / 160  # two frames before the last
    assert motion.vy == pytest.approx(true, rel=0.1)
    assert abs(motion.vx) < 0.02
