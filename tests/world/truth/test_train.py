"""Training learns, and goes on where it stopped."""

import json

import numpy as np
import pytest
import torch

from phyrefine.errors import InvalidInputError
from phyrefine.world.generator.checkpoint import load_network
from phyrefine.world.generator.network import words_of
from phyrefine.world.truth.captions.captions import all_cues
from phyrefine.world.truth.captions.vocabulary import vocabulary
from phyrefine.world.truth.scenes import sample_scene
from phyrefine.world.truth.training.bank import Bank, caption_rows
from phyrefine.world.truth.training.data import PLAIN_ROWS, SECOND_ROWS, WHOLE_ROWS, write_shard
from phyrefine.world.truth.training.train import Source, plain_share, train
from phyrefine.world.truth.training.trainer import Stage, Trainer, flow_loss, to_signal

CPU = torch.device("cpu")
SMALL = (8, 8, 16)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    for part in ("right", "wrong", "held_right", "held_wrong"):
        write_shard(folder, part, 0, 2)
    return folder


def test_vocabulary_knows_all_training_words_and_not_the_held_out_ones():
    known = set(vocabulary())
    for kind in ("drop", "collision", "shadow"):
        assert set(words_of(all_cues(sample_scene(kind, 1)))) <= known
    assert "cinematography" not in known
    assert list(vocabulary()) == sorted(known)


def test_batches_align_chunk_context_and_anchor(data):
    batch = Bank(data, "right", CPU).draw(12, 0.2, torch.Generator().manual_seed(0))
    frames = np.load(data / "right-000.npy")
    assert batch.clean.shape == (12, 8, 48, 64, 3)
    for row, position in enumerate(batch.position.tolist()):
        clip = next(one for one in frames if np.array_equal(one[7], batch.anchor[row].numpy()))
        first = 8 * (position + 1)
        assert np.array_equal(clip[first : first + 8], batch.clean[row].numpy())
        assert np.array_equal(clip[first - 8 : first], batch.context[row].numpy())
        before = max(first - 16, 0)
        assert np.array_equal(clip[before : before + 8], batch.earlier[row].numpy())


def test_captions_fit_their_second_or_the_whole():
    position = torch.arange(5).repeat(200)
    rows = caption_rows(position, 0.2, torch.Generator().manual_seed(0))
    plain, whole = rows < PLAIN_ROWS, (rows >= PLAIN_ROWS) & (rows < PLAIN_ROWS + WHOLE_ROWS)
    timed = ~plain & ~whole
    assert 0.15 < plain.float().mean() < 0.25
    assert 0.25 < timed.float().mean() < 0.40
    second = (rows[timed] - PLAIN_ROWS - WHOLE_ROWS) // SECOND_ROWS
    assert torch.equal(second, position[timed])


def test_plain_captions_mean_wrong_physics_where_priors_are_planted():
    assert plain_share("right", 0.5) < plain_share("wrong", 0.5)
    assert plain_share("right", 0.0) == plain_share("held_right", 0.0)


def test_batches_mix_right_and_wrong_in_random_order(data):
    stage = Stage(steps=1, minutes=1, batch=16, wrong=0.5)
    source = Source(data, stage, CPU)
    right = {one[7].tobytes() for one in np.load(data / "right-000.npy")}
    batch = source.draw(torch.Generator().manual_seed(0))
    of_right = [one.numpy().tobytes() in right for one in batch.anchor]
    assert sum(of_right) == 8
    assert 0 < sum(of_right[:8]) < 8
    again, twice = source.held_out(), source.held_out()
    assert torch.equal(again.clean, twice.clean)


def test_missing_shards_are_named(tmp_path):
    bank = Bank(tmp_path, "wrong", CPU)
    with pytest.raises(InvalidInputError, match="'wrong'"):
        bank.draw(1, 0.2, torch.Generator())


def test_what_moves_counts_more():
    clean = torch.zeros(2, 8, 3, 8, 8)
    clean[:, 3, :, 2, 2] = 1.0
    anchor, time = torch.zeros(2, 3, 8, 8), torch.zeros(2)
    still, moving = clean.clone(), clean.clone()
    still[:, 0, 0, 5, 5] += 0.5
    moving[:, 0, 0, 2, 2] += 0.5
    assert (
        flow_loss(moving, clean, anchor, time) > 4 * flow_loss(still, clean, anchor, time)
    ).all()
    late = torch.full((2,), 0.9)
    assert (flow_loss(still, clean, anchor, late) > flow_loss(still, clean, anchor, time)).all()


def test_the_learning_rate_can_follow_the_clock():
    trainer = Trainer(Stage(steps=1000, minutes=10, widths=SMALL, clock=True))
    trainer.step, trainer.seconds = 300, 599.9
    assert trainer.learning_rate() < 1e-6
    trainer.seconds = 1.0
    assert trainer.learning_rate() > 1e-3


def test_the_first_chunk_keeps_its_true_context(data):
    trainer = Trainer(Stage(steps=1, minutes=1, batch=8, widths=SMALL))
    batch = Bank(data, "right", CPU).draw(8, 0.2, torch.Generator().manual_seed(1))
    words = batch.words
    worn = trainer._worn_context(batch, words, to_signal(batch.anchor))
    true = to_signal(batch.context)
    for row in range(4):
        same = torch.equal(worn[row], true[row])
        assert same == (int(batch.position[row]) == 0)
    assert (worn[4:] - true[4:]).abs().max() < 0.6


@pytest.mark.slow
def test_loss_falls(data):
    stage = Stage(steps=40, minutes=5, batch=4, rate=1e-3)
    trainer, losses = Trainer(stage), []
    source = Source(data, stage, CPU)
    for _ in range(stage.steps):
        flow, read = trainer.losses(source.draw(trainer.rng))
        trainer.update(flow + 0.05 * read)
        losses.append(flow.item())
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])


@pytest.mark.slow
def test_stopping_and_going_on_equals_not_stopping(data, tmp_path):
    stage = Stage(steps=4, minutes=5, batch=2, wrong=0.5, widths=SMALL)
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
def test_the_log_holds_training_and_held_out_loss(data, tmp_path):
    list(train(data, tmp_path, Stage(steps=100, minutes=5, batch=1, widths=SMALL)))
    row = json.loads((tmp_path / "log.jsonl").read_text())
    assert row["step"] == 100
    assert 0.0 < row["held_out"] < 10.0


@pytest.mark.slow
def test_a_stage_can_start_from_other_weights(data, tmp_path):
    first = Stage(steps=1, minutes=5, batch=2, widths=SMALL)
    list(train(data, tmp_path / "a", first))
    start = tmp_path / "a" / "weights.safetensors"
    trainer = Trainer(Stage(steps=1, minutes=5, start=start))
    kept = load_network(start).state_dict()
    assert all(
        torch.equal(value, kept[name]) for name, value in trainer.network.state_dict().items()
    )
