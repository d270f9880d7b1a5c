"""A true sampler: seeds, steps, guidance, chunks."""

import numpy as np
import pytest
import torch

from phyrefine.errors import InvalidInputError
from phyrefine.world.generator.network import FRAMES, Tokenizer
from phyrefine.world.generator.sampler import (
    Sampling,
    chunk_noise,
    chunk_seed,
    sample_chunk,
    stream_rounds,
    to_frames,
    to_signal,
)

HEIGHT, WIDTH = 16, 24


def _context(frames=FRAMES):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (frames, HEIGHT, WIDTH, 3)).astype(np.uint8)


def _stream(network, *, context=None, seeds=(1, 2, 3), texts=None, accepted=None, **sampling):
    tokens = Tokenizer(network.config.vocabulary)
    texts = texts or ["the ball falls"] * len(seeds)
    rounds = list(
        stream_rounds(
            network,
            _context() if context is None else context,
            [network.encode(tokens([text])) for text in texts],
            network.encode(tokens([""])),
            [seeds],
            Sampling(**{"steps": 2, **sampling}),
            None if accepted is None else accepted[None],
        )
    )
    return [chunk for (chunk,) in rounds]


def test_chunks_are_frames(tiny_network):
    chunks = _stream(tiny_network)
    assert [chunk.shape for chunk in chunks] == [(FRAMES, HEIGHT, WIDTH, 3)] * 3
    assert all(chunk.dtype == np.uint8 for chunk in chunks)


def test_same_seed_same_bytes(tiny_network):
    first, second = _stream(tiny_network), _stream(tiny_network)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_going_on_after_accepted_chunks_equals_not_stopping(tiny_network):
    whole = _stream(tiny_network)
    rest = _stream(tiny_network, accepted=np.concatenate(whole[:1]))
    assert len(rest) == 2
    assert all(np.array_equal(a, b) for a, b in zip(whole[1:], rest, strict=True))


def test_a_later_seed_or_prompt_leaves_earlier_chunks_alone(tiny_network):
    whole = _stream(tiny_network)
    for changed in (
        _stream(tiny_network, seeds=(1, 2, 9)),
        _stream(tiny_network, texts=["the ball falls", "the ball falls", "bounces"]),
    ):
        assert np.array_equal(changed[1], whole[1])
        assert not np.array_equal(changed[2], whole[2])


@pytest.mark.parametrize("changed", [{"steps": 3}, {"guidance": 3.0}, {"guidance": 1.0}])
def test_steps_and_guidance_matter(tiny_network, changed):
    assert not np.array_equal(_stream(tiny_network)[0], _stream(tiny_network, **changed)[0])


def test_guidance_one_ignores_the_null_prompt(tiny_network):
    noise = chunk_noise([1], HEIGHT, WIDTH)
    before, anchor = torch.zeros(1, FRAMES, 3, HEIGHT, WIDTH), torch.zeros(1, 3, HEIGHT, WIDTH)
    made = [
        sample_chunk(
            tiny_network,
            noise,
            before,
            anchor,
            torch.ones(1, 16),
            null,
            torch.tensor([0]),
            Sampling(steps=2, guidance=1.0),
        )
        for null in (torch.zeros(1, 16), torch.ones(1, 16))
    ]
    assert torch.equal(*made)


def test_a_perfect_network_is_reached_in_any_number_of_steps():
    clean = torch.rand(1, FRAMES, 3, HEIGHT, WIDTH) - 0.5

    def oracle(noisy, *_):
        return clean.expand(len(noisy), -1, -1, -1, -1)

    for steps in (1, 5):
        made = sample_chunk(
            oracle,
            chunk_noise([0], HEIGHT, WIDTH),
            clean,
            clean[:, 0],
            torch.zeros(1, 16),
            torch.zeros(1, 16),
            torch.tensor([0]),
            Sampling(steps=steps),
        )
        assert torch.allclose(made, clean, atol=1e-5)


def test_short_context_is_completed(tiny_network):
    one = _context(1)
    repeated = np.repeat(one, FRAMES, axis=0)
    first, second = _stream(tiny_network, context=one), _stream(tiny_network, context=repeated)
    assert np.array_equal(first[0], second[0])


def test_broken_chunks_are_refused(tiny_network):
    with pytest.raises(InvalidInputError, match="5 accepted"):
        _stream(tiny_network, accepted=_context(5))


def test_noise_seeds_are_apart():
    seeds = {chunk_seed(seed, index) for seed in (-1, 0, 1, 2) for index in range(5)}
    assert len(seeds) == 20
    noise = chunk_noise([1, 2], HEIGHT, WIDTH)
    assert noise.std().item() == pytest.approx(1.0, abs=0.02)
    assert torch.equal(noise[:1], chunk_noise([1], HEIGHT, WIDTH))


def test_frames_survive_the_way_to_signals_and_back():
    frames = _context()
    signal = to_signal(frames, torch.float32)
    assert signal.min() >= -1
    assert signal.max() <= 1
    assert np.array_equal(to_frames(signal), frames)


def test_settings_are_checked():
    with pytest.raises(ValueError, match="steps"):
        Sampling(steps=0)
