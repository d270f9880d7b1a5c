import math

import numpy as np
import pytest
from pools import SIZE, ball, pool, scene, still

from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.metrics.measures import compare
from phyrefine.select.agreement import consensus, views
from phyrefine.select.agreement.consensus import NOTHING_MOVES, Consensus, consensus_of_files
from phyrefine.select.agreement.utility import utility
from phyrefine.select.agreement.views import look
from phyrefine.types import Scenario
from phyrefine.video.clip import Clip
from phyrefine.video.masks import motion_masks


def test_utility_is_the_benchmarks_measures():
    one, other = ball(), ball(bend=0.05)
    a, b = look(scene(), [one, other]).views
    assert a.gray.shape == (16, *SIZE)
    masks = [motion_masks(view.gray) for view in (a, b)]
    plain = compare(one.frames, masks[0], other.frames, masks[1])
    moving = (masks[0] | masks[1]).any(axis=(1, 2))
    over_time = np.mean(np.array(plain.spatiotemporal_iou)[moving])
    ious = (plain.spatial_iou, over_time, plain.weighted_spatial_iou)
    # the clips are gray, so that the error of luma is that of the channels
    assert utility(a, b) == pytest.approx(np.mean(ious) - np.mean(plain.mse), abs=1e-6)
    assert utility(a, b) == utility(b, a)
    assert utility(a, a) == pytest.approx(1.0)


def test_frames_and_clips_in_which_nothing_moves_are_no_evidence():
    a, b = look(scene(), [still(), still(row=30.0)]).views
    assert math.isnan(utility(a, b))
    moving, frozen = look(scene(), [ball(), still()]).views
    assert utility(moving, frozen) < 0.02  # one that moves and one that does not: no overlap


def test_the_clip_most_like_the_others_wins():
    clips = [ball(row=12), ball(row=30), ball(row=31), ball(row=32), ball(row=31, speed=2)]
    said = Consensus().score_pool(pool(*clips))
    assert max(said.values, key=said.values.get) == "0.2"
    assert min(said.values, key=said.values.get) == "0.0"
    assert 0 < said.noise < 1
    assert said.notes == ()


def test_one_frozen_clip_does_not_win_over_moving_ones():
    clips = [still(row=22), ball(row=18), ball(row=22), ball(row=26)]
    said = Consensus().score_pool(pool(*clips))
    assert said.values["0.0"] == min(said.values.values())


def test_a_pool_in_which_nothing_moves_says_so():
    said = Consensus().score_pool(pool(still(), still(row=30), still(row=10)))
    assert all(math.isnan(value) for value in said.values.values())
    assert said.notes == (NOTHING_MOVES,)


def test_equal_clips_vote_once():
    odd, one, other = ball(row=10), ball(row=30), ball(row=32)
    plain = Consensus().score_pool(pool(odd, one, other)).values
    doubled = Consensus().score_pool(pool(odd, odd, one, other)).values
    assert doubled["0.0"] == doubled["0.1"] == pytest.approx(plain["0.0"])
    assert doubled["0.2"] == pytest.approx(plain["0.1"])
    same = Consensus().score_pool(pool(odd, odd))
    assert all(math.isnan(value) for value in same.values.values())
    assert "the same" in same.notes[0]


def test_two_clips_cannot_be_told_apart_by_agreement():
    said = Consensus().score_pool(pool(ball(row=10), ball(row=12)))
    assert said.values["0.0"] == said.values["0.1"]
    assert "cannot choose" in said.notes[0]


@pytest.mark.parametrize("noise", [0.0, 3.0, 8.0])
@pytest.mark.parametrize("size", [(48, 64), (180, 240)])
def test_noise_of_the_prefix_sets_the_threshold(noise, size):
    clips = [ball(row=r, noise=noise, seed=r, size=size) for r in (12, 28, 30, 32)]
    frozen = still(noise=noise, seed=9, size=size)
    seen = look(scene(noise=noise, size=size), [*clips, frozen])
    assert [view.still for view in seen.views] == [False] * 4 + [True]
    assert not seen.prefix_still
    said = Consensus().score_pool(pool(*clips, scenario=scene(noise=noise, size=size)))
    assert max(said.values, key=said.values.get) == "0.2"


@pytest.mark.slow
def test_rates_sizes_and_lengths_are_made_alike():
    fast = ball(fps=24.0, frames=48)
    large = ball(size=(360, 480), frames=20)
    seen = look(scene(), [ball(), fast, large])
    assert {view.gray.shape for view in seen.views} == {(16, *SIZE)}
    assert seen.fps == 8.0
    agree = utility(seen.views[0], seen.views[2])
    assert agree > 0.8


def test_the_models_own_frames_are_measured():
    native = ball(frames=16)
    delivered = native.resample(24.0).with_native(native)
    one, other = look(scene(), [native, delivered]).views
    assert one.digest == other.digest


def test_a_prefix_of_one_frame_or_none_says_nothing_of_standing_still():
    for prefix in (None, Clip(ball().frames[:1], 8.0)):
        seen = look(Scenario("x", prefix, fps=8.0, size=SIZE), [ball()])
        assert not seen.prefix_still
        assert seen.prefix_amount is None
    assert look(Scenario("x", still(), fps=8.0, size=SIZE), [ball()]).prefix_still


def test_masks_are_made_once_per_clip(monkeypatch):
    clips = [ball(row=21), ball(row=23)]
    first = look(scene(), clips).views
    monkeypatch.setattr(views, "motion_amount", lambda gray: 0.0)
    again = look(scene(), [*clips, ball(row=25)]).views
    assert again[:2] == first


def test_the_noise_is_that_of_telling_clips_apart():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(100):
        quality, pairs = rng.normal(0, 0.1, 8), rng.normal(0, 0.05, (8, 8))
        table = 0.5 + quality[:, None] + quality[None, :] + (pairs + pairs.T) / np.sqrt(2)
        np.fill_diagonal(table, np.nan)
        found.append(consensus._noise(table))
    assert np.mean(found) == pytest.approx(0.05 / np.sqrt(7), rel=0.15)


def test_files_are_scored_as_clips_are(tmp_path):
    clips = [ball(row=row, size=(180, 240)) for row in (12, 28, 30, 32)]
    before = scene(size=(180, 240)).prefix
    paths = [clip.write(tmp_path / f"{n}.mkv") for n, clip in enumerate(clips)]
    read = consensus_of_files(paths, before.write(tmp_path / "prefix.mkv"))
    held = Consensus().score_pool(pool(*clips, scenario=scene(size=(180, 240))))
    assert list(read.values) == [str(path) for path in paths]
    assert list(read.values.values()) == pytest.approx(list(held.values.values()), abs=0.02)
    copy = tmp_path / "copy.mkv"
    copy.write_bytes(paths[0].read_bytes())
    again = consensus_of_files([paths[0], copy, paths[1]])
    values = list(again.values.values())
    assert values[0] == values[1] == pytest.approx(values[2])
    with pytest.raises(InvalidInputError, match="no video"):
        consensus_of_files([])
