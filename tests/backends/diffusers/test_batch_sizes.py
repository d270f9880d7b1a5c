"""Several seeds in one call: how many, and what happens when they do not fit."""

import json
import logging
import threading

import diffusers_cases as cases
import numpy as np
import pytest
import torch
from attrs import evolve

from phyrefine.backends.diffusers import DiffusersVideoGenerator, batching
from phyrefine.backends.diffusers.families import table
from phyrefine.backends.diffusers.tiny import tiny_cogvideox
from phyrefine.errors import GenerationError, GeneratorMemoryError, InvalidInputError
from phyrefine.testing import check_generator, moving_clip
from phyrefine.types import Prompt, Shot

SHOT = Shot(Prompt("it rolls"), moving_clip(24, (32, 32), 8.0), seconds=1.0, fps=8.0)
SHOTS = [evolve(SHOT, seed=seed) for seed in range(4)]


def generator(**settings):
    return DiffusersVideoGenerator(tiny_cogvideox(), steps=1, **settings)


def full_above(made, monkeypatch, room):
    """The device holds ``room`` seeds; gives the sizes of all calls."""
    calls, call = [], type(made.runner.twin).__call__

    def tight(pipe, **arguments):
        drawn = arguments["generator"]
        calls.append(len(drawn) if isinstance(drawn, list) else 1)
        if calls[-1] > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return call(pipe, **arguments)

    monkeypatch.setattr(type(made.runner.twin), "__call__", tight)
    return calls


@pytest.mark.slow
def test_batches_keep_the_contract():
    made = generator(batch_size=2)
    assert made.batch_size_for(SHOT) == 2
    check_generator(made, seconds=1.25)


BATCHING = [name for name in cases.CASES if table.named(name).batches]
FEW = {"wan-2.1-i2v", "hunyuanvideo-i2v"}


@pytest.mark.filterwarnings(
    "ignore:In CPU autocast, but the target dtype is not supported",
    "ignore:flex_attention called without torch.compile",
)
@pytest.mark.parametrize(
    "name",
    [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in BATCHING],
)
def test_every_family_that_batches_makes_the_clips_it_makes_alone(name):
    made = cases.generator(name, steps=2, batch_size=3)
    rate = made.spec.fps
    shots = [
        Shot(Prompt("it rolls"), moving_clip(int(3 * rate), (32, 32), rate), seconds=8 / rate, fps=rate,
             seed=seed)
        for seed in range(3)
    ]  # fmt: skip
    (chunks,) = made.stream_many(shots)
    assert [json.loads(chunk.state)["together"] for chunk in chunks] == [3] * 3
    for chunk, shot in zip(chunks, shots, strict=True):
        (alone,) = made.stream(shot)
        assert np.abs(chunk.clip.frames.astype(int) - alone.clip.frames).max() <= 1
    assert np.abs(chunks[0].clip.frames.astype(int) - chunks[1].clip.frames).max() > 1
    # A memory estimate is what batch_size="auto" goes by.
    auto = evolve(made, batch_size="auto")
    assert 1 < auto.batch_size_for(shots[0]) <= batching.MOST


@pytest.mark.parametrize(("name", "later"), [("wan-2.1-i2v", 1), ("cogvideox-i2v", 2)])
def test_later_passes_go_together_where_seeds_may_differ_in_their_context(name, later):
    made = cases.generator(name, steps=1, batch_size=2)
    rate = made.spec.fps
    prefix = moving_clip(int(3 * rate), (32, 32), rate)
    pass_seconds = made.spec.new(made.spec.grid.most, 1) / rate
    shots = [Shot(Prompt("it rolls"), prefix, seconds=1.5 * pass_seconds, fps=rate, seed=seed)
             for seed in range(2)]  # fmt: skip
    rounds = list(made.stream_many(shots))
    assert [json.loads(one.state)["together"] for one, _ in rounds] == [2, later]
    for index, shot in enumerate(shots):
        for chunks, alone in zip(rounds, made.stream(shot), strict=True):
            assert np.abs(chunks[index].clip.frames.astype(int) - alone.clip.frames).max() <= 1


@pytest.mark.slow
def test_a_full_device_halves_calls_and_keeps_the_finished_part(monkeypatch, caplog):
    made = generator(batch_size=4)
    alone = [generator().generate(shot) for shot in SHOTS]
    calls = full_above(made, monkeypatch, 2)
    with caplog.at_level(logging.WARNING, "phyrefine"):
        (chunks,) = made.stream_many(SHOTS)
    assert calls == [4, 2, 2]
    assert "out of memory with 4 clips in one call: going on with 2" in caplog.text
    assert [json.loads(chunk.state)["together"] for chunk in chunks] == [2] * 4
    for chunk, one in zip(chunks, alone, strict=True):
        assert np.abs(chunk.clip.frames.astype(int) - one.native.frames).max() <= 1
    assert made.batch_size_for(SHOT) == 2  # from now on
    made.generate_many(SHOTS)
    assert calls[3:] == [2, 2]


@pytest.mark.slow
@pytest.mark.slow
def test_a_family_that_takes_one_seed_makes_each_by_itself():
    made = cases.generator("kandinsky-5-i2v", steps=2)
    rate = made.spec.fps
    shots = [Shot(Prompt("it rolls"), moving_clip(int(3 * rate), (32, 32), rate), seconds=8 / rate,
                  fps=rate, seed=seed) for seed in range(2)]  # fmt: skip
    (chunks,) = made.stream_many(shots)
    assert [json.loads(chunk.state)["together"] for chunk in chunks] == [1, 1]


def test_a_batch_is_cancelled_within_its_call():
    class Pressed(threading.Event):
        asked = 0

        def is_set(self):
            self.asked += 1
            return self.asked > 1  # not before the call, but in its first step

    made = generator(batch_size=4)
    made.runner.cancel = Pressed()
    with pytest.raises(GenerationError, match="Cancelled after 1 denoising step"):
        made.generate_many(SHOTS)
    made.runner.cancel = threading.Event()
    assert len(made.generate_many(SHOTS)) == 4


def test_the_memory_mode_changes_only_when_a_single_seed_does_not_fit(monkeypatch):
    made = cases.generator("cogvideox-i2v", steps=1, batch_size=4, step_down=True)
    calls = full_above(made, monkeypatch, 1)
    made.generate_many(SHOTS)
    assert calls == [4, 2, 1, 1, 1, 1]
    assert made.runner.mode == "fast"


@pytest.mark.slow
def test_when_single_seeds_do_not_fit_either_the_mode_steps_down(monkeypatch):
    made = cases.generator("cogvideox-i2v", steps=1, batch_size=2, step_down=True)
    calls = full_above(made, monkeypatch, 0)
    with pytest.raises(GeneratorMemoryError, match="in memory mode 'tight'"):
        made.generate_many(SHOTS[:2])
    assert calls == [2, 1, 1, 1]


# -- "auto" ------------------------------------------------------------------------------------


def fitting(free, **settings):
    made = generator(**settings)
    return batching.fitting(
        made.pipe, made.spec, mode=made.runner.mode, size=(96, 96), frames=9, free=free
    )


@pytest.mark.slow
def test_more_memory_holds_more_clips():
    each = fitting(1000.0).each
    found = [fitting(each * free).clips for free in (0.1, 1.5, 2.5, 5, 10)]
    assert found == sorted(found)
    assert found[0] == 1
    assert 2 <= found[3] < found[4] <= batching.MOST
    assert fitting(1e6).clips == batching.MOST


@pytest.mark.slow
def test_a_decoder_that_takes_one_clip_at_a_time_leaves_room_for_more():
    made = generator()
    size = {"size": (96, 96), "frames": 9}
    free = 10 * batching.fitting(made.pipe, made.spec, mode="fast", free=1e6, **size).each
    whole = batching.fitting(made.pipe, made.spec, mode="fast", free=free, **size)
    made.pipe.vae.enable_slicing()
    sliced = batching.fitting(made.pipe, made.spec, mode="fast", free=free, **size)
    assert sliced.clips > whole.clips
    assert sliced.each < whole.each


def test_auto_asks_once_for_each_size_and_length(monkeypatch, caplog):
    asked = []

    def free(device):
        asked.append(device.type)
        return 1e6

    monkeypatch.setattr(batching, "free_memory", free)
    made = generator(batch_size="auto")
    with caplog.at_level(logging.INFO, "phyrefine"):
        assert made.batch_size_for(SHOT) == batching.MOST
        assert made.batch_size_for(SHOTS[3]) == batching.MOST
    assert asked == ["cpu"]
    assert "16 clips in one call" in caplog.text
    assert "GiB free" in caplog.text
    monkeypatch.setattr(batching, "free_memory", lambda _: 0.0)
    assert generator(batch_size="auto").batch_size_for(SHOT) == 1


def test_free_memory_is_told_on_this_machine():
    assert 0 < batching.free_memory(torch.device("cpu")) < 1e6


def test_free_memory_of_a_gpu_counts_what_torch_keeps(monkeypatch):
    """No GPU here: the arithmetic alone."""
    gib = 2**30
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (4 * gib, 80 * gib))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 30 * gib)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 25 * gib)
    assert batching.free_memory(torch.device("cuda")) == pytest.approx(9.0)


@pytest.mark.parametrize("size", [0, -1, "many", 1.5])
def test_sizes_that_are_none_are_refused(size):
    with pytest.raises(InvalidInputError, match="batch_size must be 1 or more, or 'auto'"):
        generator(batch_size=size)


def test_families_that_take_one_seed_say_so(caplog):
    with caplog.at_level(logging.WARNING, "phyrefine"):
        made = cases.generator("wan-vace", batch_size=4)
    assert "batch_size=4 does nothing: wan" in caplog.text
    assert made.batch_size_for(SHOT) == 1


def test_the_size_is_part_of_the_identity():
    """Frames of a batch may differ by rounding, so a store never gives one for the other."""
    assert generator(batch_size=2).identity != generator().identity
    assert generator(batch_size="auto").identity != generator(batch_size=2).identity
