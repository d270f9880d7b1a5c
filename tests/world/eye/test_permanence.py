"""Things do not vanish, appear, split, jump, change or freeze."""

import numpy as np
import pytest
from filmed import BLUE, FLOOR, GREEN, RED, WALL, examine, paint, seconds, topics, wall

from phyrefine.video.clip import Clip
from phyrefine.world.eye.checking.permanence import moves

TIMES = seconds(3.2)
LOW = np.full(len(TIMES), FLOOR + 5.0)
ROLL = "A red ball rolls along the floor."
SEAM = 1.0
SLOW = 15 + 22 * TIMES
LATE = TIMES > 2.0


def rolled(x=SLOW, up=LOW, radius=5.0, colour=RED, *others, image=None):
    return paint((x, up, radius, colour), *others, image=image)


def test_vanishing():
    assert topics(rolled(np.where(LATE, np.nan, SLOW)), SEAM, ROLL) == ["vanish"]


def test_leaving_the_frame_is_not_vanishing():
    assert topics(rolled(15 + 45 * TIMES), SEAM, ROLL) == []
    assert topics(rolled(110 - 45 * TIMES), SEAM, ROLL) == []


def test_fast_things_leave_without_being_seen_at_the_border():
    x = 15 + 150 * np.maximum(TIMES - 0.9, 0.0)
    x[x > 113] = np.nan
    assert "vanish" not in topics(rolled(x), SEAM, ROLL)


def test_vanishing_in_the_filmed_part_is_not_the_models():
    assert topics(rolled(np.where(TIMES > 1.0, np.nan, SLOW)), 2.5, ROLL) == []


def test_hidden_behind_a_post_for_a_while_is_not_vanishing():
    clip = rolled()
    frames = clip.frames.copy()
    frames[:, :80, 56:70] = (60, 60, 60)
    assert "vanish" not in topics(Clip(frames, clip.fps), SEAM, ROLL)


def faded(to):
    share = np.clip((TIMES - 1.5) / 1.0, 0.0, to)[:, None]
    return rolled(colour=(1 - share) * np.asarray(RED) + share * np.asarray(WALL))


def test_fading_away():
    assert topics(faded(1.0), SEAM, ROLL) == ["vanish"]
    # A thing that turns paler is no less wrong; as what it is told depends on its colours.
    for share in (0.6, 0.8):
        (found,) = topics(faded(share), SEAM, ROLL)
        assert found in ("fade", "colour", "size")


def test_growing():
    assert topics(rolled(radius=np.where(LATE, 8.0, 5.0), up=LOW + 3), SEAM, "A ball.") == ["size"]


def test_changing_colour():
    colour = np.where(LATE[:, None], np.asarray(GREEN), np.asarray(RED))
    found = topics(rolled(colour=colour), SEAM, ROLL)
    assert found
    assert set(found) <= {"colour", "appear", "vanish", "split"}


def test_a_thing_out_of_nothing():
    new = np.where(LATE, 60.0 + 3 * (TIMES - 2.0), np.nan)
    found = topics(rolled(SLOW, LOW, 5.0, RED, (new, LOW + 35, 5.0, BLUE)), SEAM, ROLL)
    assert found == ["appear"]


def test_a_thing_that_rolls_in_is_not_out_of_nothing():
    new = 128 + 6 - 20 * np.maximum(TIMES - 2.0, 0.0)
    found = topics(rolled(SLOW, LOW + 35, 5.0, RED, (new, LOW, 5.0, BLUE)), SEAM, "Two balls.")
    assert "appear" not in found


def test_splitting_in_two():
    twin = np.where(LATE, SLOW + 14 + 8 * (TIMES - 2.0), np.nan)
    found = topics(rolled(SLOW, LOW, 5.0, RED, (twin, LOW + 8, 5.0, RED)), SEAM, ROLL)
    assert "split" in found


@pytest.mark.parametrize("moment", [1.0, 2.0])
def test_jumping_elsewhere(moment):
    x = SLOW + np.where(moment <= TIMES, 20.0, 0.0)
    assert topics(rolled(x), SEAM, ROLL) == ["jump"]


def test_freezing_at_the_seam():
    still = SLOW[np.minimum(np.arange(len(TIMES)), int(SEAM * 16) - 1)]
    clip = rolled(still)
    assert topics(clip, SEAM, ROLL) == ["frozen"]
    assert not moves(examine(clip, SEAM, ROLL))
    assert moves(examine(rolled(), SEAM, ROLL))


def test_what_rested_may_go_on_resting_unless_words_set_it_in_motion():
    x = np.full(len(TIMES), 60.0)
    clip = rolled(x, LOW, 5.0, RED, (15 + 22 * TIMES * (TIMES < 0.3), LOW + 40, 4.0, BLUE))
    assert "frozen" in topics(clip, SEAM, "A red ball is dropped.")
    assert topics(clip, SEAM, "A red ball on a table.") == []


def blot(spread, strength):
    """Ink that falls into clear water after half a second."""
    row, column = np.mgrid[:96, :128]
    away = (column - 64) ** 2 + (row - 40) ** 2
    frames = [wall(floor=0)] * 8
    for wide, dark in zip(spread, strength, strict=True):
        share = (dark * np.exp(-away / (2 * wide**2)))[..., None]
        frames.append((1 - share) * wall(floor=0) + share * np.asarray(BLUE))
    return Clip(np.array(frames).astype(np.uint8), 16.0)


def test_ink_spreads_and_does_not_gather_or_stand_still():
    ink = "A drop of blue ink spreads in water."
    wide = np.linspace(6, 14, 40)
    spreading, gathering = blot(wide, 36 / wide**2), blot(wide[::-1], 36 / wide[::-1] ** 2)
    stopped = Clip(spreading.frames[np.minimum(np.arange(48), 24)], 16.0)
    assert topics(spreading, SEAM, ink) == []
    assert topics(gathering, SEAM, ink) == ["gather"]
    assert topics(stopped, 1.6, ink) == ["frozen"]
    assert not moves(examine(stopped, 1.6, ink))
    assert moves(examine(spreading, 1.6, ink))


def test_patches_that_warm_and_cool_are_no_bodies_in_motion():
    rolls_and_stops = np.minimum(15 + 22 * TIMES, 60.0)
    clip = rolled(rolls_and_stops)
    assert "stop" in topics(clip, SEAM, ROLL)
    assert topics(clip, SEAM, "A glowing hot block lies beside a cold block.") == []
