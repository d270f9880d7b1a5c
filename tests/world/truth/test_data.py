"""Shards hold clips that can be captioned anew, and never test scenes."""

import numpy as np

from phyrefine.world.truth.scenes import KINDS, split_of
from phyrefine.world.truth.training.data import Shards, caption, make_clip, write_shard


def test_a_clip_is_a_second_of_context_and_five_of_motion():
    frames, shown = make_clip(3, "right")
    assert frames.shape == (48, 48, 64, 3)
    assert frames.dtype == np.uint8
    assert KINDS[shown.kind].training_share > 0
    assert not shown.unsaid


def test_wrong_physics_leaves_something_unsaid():
    shown = [make_clip(seed, "wrong")[1] for seed in range(500_000, 500_006)]
    assert any(example.unsaid for example in shown)


def test_shards_come_back_as_written(tmp_path):
    write_shard(tmp_path, "right", 0, 2)
    shards = Shards(tmp_path, "right")
    assert len(shards) == 2
    frames, shown = shards.draw(np.random.default_rng(0))
    assert any(np.array_equal(frames, make_clip(seed, "right")[0]) for seed in (0, 1))
    assert split_of(shown.seed) == "training"
    assert caption(shown, np.random.default_rng(0), plain=0.0).text
    write_shard(tmp_path, "right", 1, 1)
    shards.refresh()
    assert len(shards) == 3


def test_what_was_left_unsaid_comes_back(tmp_path):
    write_shard(tmp_path, "wrong", 0, 3)
    shards, rng = Shards(tmp_path, "wrong"), np.random.default_rng(0)
    for _ in range(4):
        _, shown = shards.draw(rng)
        assert shown.unsaid == make_clip(shown.seed, "wrong")[1].unsaid


def test_a_finished_shard_is_not_made_again(tmp_path):
    path = write_shard(tmp_path, "right", 0, 1)
    stamp = path.stat().st_mtime_ns
    write_shard(tmp_path, "right", 0, 1)
    assert path.stat().st_mtime_ns == stamp
