import torch

from phyrefine.magi.sampling.noise import chunk_noise

SHAPE = (6, 4, 4)


def test_a_seed_and_a_place_mean_the_same_noise_whatever_the_length_or_order():
    draw = chunk_noise(7, 3, SHAPE)
    later, first = draw(5), draw(3)
    again = chunk_noise(7, 3, SHAPE)
    assert torch.equal(again(3), first)
    assert torch.equal(again(5), later)
    assert first.shape == (16, *SHAPE)
    assert first.dtype == torch.float32
    assert not torch.equal(first, later)


def test_places_count_from_the_first_new_chunk():
    assert torch.equal(chunk_noise(7, 0, SHAPE)(2), chunk_noise(7, 3, SHAPE)(5))


def test_seeds_differ_and_noise_is_standard_normal():
    draws = torch.stack([chunk_noise(seed, 0, (6, 32, 32))(0) for seed in (0, 1)])
    assert not torch.equal(draws[0], draws[1])
    assert abs(draws.mean().item()) < 0.01
    assert abs(draws.std().item() - 1) < 0.01


def test_chunk_seeds_change_their_chunk_alone():
    plain, seeded = chunk_noise(7, 0, SHAPE), chunk_noise(7, 0, SHAPE, chunk_seeds=(99,))
    assert not torch.equal(plain(0), seeded(0))
    assert torch.equal(plain(1), seeded(1))
    assert torch.equal(seeded(0), chunk_noise(5, 0, SHAPE, chunk_seeds=(99,))(0))


def test_given_noise_is_taken_as_it_is():
    latents = torch.randn(1, 16, 18, 4, 4)
    draw = chunk_noise(0, 1, SHAPE, latents=latents)
    assert torch.equal(draw(2), latents[0, :, 12:18])
