"""Training learns, and goes on where it stopped."""

import numpy as np
import pytest
import torch

from phyrefine.world.generator.checkpoint import load_network
from phyrefine.world.generator.network import words_of
from phyrefine.world.truth.captions.captions import all_cues
from phyrefine.world.truth.scenes import sample_scene
from phyrefine.world.truth.training.data import Shards, write_shard
from phyrefine.world.truth.training.train import (
    Stage,
    Trainer,
    draw_batch,
    topic_labels,
    train,
    vocabulary,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_shard(folder, "right", 0, 2)
    write_shard(folder, "wrong", 0, 2)
    return folder


def test_vocabulary_knows_all_training_words_and_not_the_held_out_ones():
    known = set(vocabulary())
    for kind in ("drop", "collision", "shadow"):
        assert set(words_of(all_cues(sample_scene(kind, 1)))) <= known
    assert "cinematography" not in known
    assert list(vocabulary()) == sorted(known)


def test_batches_align_chunk_context_and_anchor(data):
    stage = Stage(steps=1, minutes=1, batch=6)
    batch = draw_batch({"right": Shards(data, "right")}, stage, np.random.default_rng(0))
    assert batch.clean.shape == (6, 8, 3, 48, 64)
    for row, position in enumerate(batch.position.tolist()):
        if position == 0:
            assert torch.equal(batch.context[row, -1], batch.anchor[row])
        else:
            assert not torch.equal(batch.context[row, -1], batch.anchor[row])
    labels = topic_labels(batch.captions)
    assert labels.sum(dim=1).tolist() == [len(said.topics) for said in batch.captions]


@pytest.mark.slow
def test_loss_falls(data):
    stage = Stage(steps=40, minutes=5, batch=4, rate=1e-3)
    trainer = Trainer(stage)
    shards = {"right": Shards(data, "right")}
    losses = []
    for _ in range(stage.steps):
        flow, read = trainer.losses(draw_batch(shards, stage, trainer.rng))
        trainer.update(flow + 0.05 * read)
        losses.append(flow.item())
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])


@pytest.mark.slow
def test_stopping_and_going_on_equals_not_stopping(data, tmp_path):
    stage = Stage(steps=4, minutes=5, batch=2, wrong=0.5)
    list(train(data, tmp_path / "whole", stage))
    broken = train(data, tmp_path / "parts", stage, save_every=0.0)
    assert next(broken) == 1
    assert next(broken) == 2
    broken.close()
    assert list(train(data, tmp_path / "parts", stage))[-1] == 4
    whole, parts = (
        load_network(tmp_path / name / "weights.safetensors").state_dict()
        for name in ("whole", "parts")
    )
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())


@pytest.mark.slow
def test_a_stage_can_start_from_other_weights(data, tmp_path):
    first = Stage(steps=1, minutes=5, batch=2)
    list(train(data, tmp_path / "a", first))
    start = tmp_path / "a" / "weights.safetensors"
    trainer = Trainer(Stage(steps=1, minutes=5, start=start))
    kept = load_network(start).state_dict()
    assert all(
        torch.equal(value, kept[name]) for name, value in trainer.network.state_dict().items()
    )
