"""Cutting into tiles and blending: against slow sums written out, and what is held at once."""

import pytest
import torch

from phyrefine.magi.vae.tiling import Tiling, blend, decode_pieces, encode_pieces

TILING = Tiling(size=16, frames=12, overlap=0.25)


def test_blending_is_a_ramp_that_starts_at_the_tile_before():
    before, tile = torch.full((1, 1, 1, 1, 8), 1.0), torch.full((1, 1, 1, 1, 8), 5.0)
    faded = blend(before, tile, 4, -1)
    assert faded.flatten().tolist() == [1, 2, 3, 4, 5, 5, 5, 5]
    assert tile.min() == 5  # neighbors are blended from the tile as it came


@pytest.mark.parametrize(("sizes", "k"), [((2, 8), 2), ((8, 3), 3), ((8, 8), 4)])
def test_blending_is_cut_to_the_smaller_tile(sizes, k):
    before, tile = (torch.arange(float(n)).view(1, 1, 1, 1, n) for n in sizes)
    faded = blend(before, tile, 4, -1).flatten()
    expected = [
        before.flatten()[sizes[0] - k + i] * (1 - i / k) + tile.flatten()[i] * (i / k)
        for i in range(k)
    ]
    torch.testing.assert_close(faded[:k], torch.stack(expected))
    torch.testing.assert_close(faded[k:], tile.flatten()[k:])


def test_no_extent_no_change():
    tile = torch.ones(1, 1, 1, 4, 4)
    assert blend(torch.zeros_like(tile), tile, 0, -1) is tile


def _pooled(video):
    """A toy encoder: the mean over 4 frames and 2 x 2 pixels."""
    length = min(4, video.shape[2])
    return torch.nn.functional.avg_pool3d(video, (length, 2, 2))


def _spread(latents):
    """A toy decoder: every latent four times in time and twice in space."""
    return latents.repeat_interleave(4, 2).repeat_interleave(2, 3).repeat_interleave(2, 4)


@pytest.mark.parametrize("size", [(16, 16), (24, 28), (32, 16), (50, 34)])
def test_a_pointwise_autoencoder_shows_no_tiles(size):
    """Overlaps of equal content blend to that content, at every size."""
    video = torch.rand(1, 3, 24, *size)
    pieces = list(encode_pieces(video, _pooled, TILING, 2, 4))
    assert [piece.shape[2] for piece in pieces] == [3, 3]
    latents = torch.cat(pieces, 2)
    torch.testing.assert_close(latents, _pooled(video))
    frames = torch.cat(list(decode_pieces(latents, _spread, TILING, 2, 4)), 2)
    torch.testing.assert_close(frames, _spread(latents))


def test_encoding_blends_from_blended_tiles_and_decoding_from_the_originals():
    """Four tiles of constant 0, 1, 2 and 3, and what blending makes of the last one's corner."""

    def corner(pieces):
        tiles = torch.cat(list(pieces), 2)
        assert tiles.shape == video.shape
        return tiles[0, 0, 0, 2:, 2:].tolist()

    def numbered():
        numbers = iter(range(4))
        return lambda piece: torch.full_like(piece, float(next(numbers)))

    video, tiling = torch.zeros(1, 1, 1, 4, 4), Tiling(size=4, frames=1, overlap=0.5)
    encoded = corner(encode_pieces(video, numbered(), tiling, 1, 1))
    decoded = corner(decode_pieces(video, numbered(), tiling, 1, 1))
    assert encoded == [[0, 0.25], [1, 1.375]]
    assert decoded == [[2, 1.5], [2, 2]]


def test_pieces_come_one_by_one():
    """Nothing of the second piece is decoded before the first was taken."""
    calls = []

    def decode(tile):
        calls.append(tuple(tile.shape[2:]))
        return _spread(tile)

    pieces = decode_pieces(torch.zeros(1, 3, 60, 12, 12), decode, TILING, 2, 4)
    next(pieces)
    first = list(calls)
    assert max(shape[0] for shape in first) == 3
    for _ in pieces:
        pass
    assert calls == first * 20


@pytest.mark.parametrize("together", [2, 3, 16])
def test_tiles_run_at_once_give_what_they_give_alone(together):
    torch.manual_seed(0)
    video = torch.randn(2, 3, 14, 36, 44)
    alone, batches = Tiling(16, 12, 0.25), []

    def encode(tiles):
        batches.append(len(tiles) // 2)
        return _pooled(tiles)

    wanted = list(encode_pieces(video, _pooled, alone, 2, 4))
    made = list(encode_pieces(video, encode, Tiling(16, 12, 0.25, together=together), 2, 4))
    assert all(torch.equal(a, b) for a, b in zip(made, wanted, strict=True))
    assert max(batches) == together if together < 6 else max(batches) > 1


def test_one_tile_at_a_time_on_a_cpu_and_several_on_a_gpu():
    assert Tiling().batch(torch.device("cpu")) == 1
    assert Tiling().batch(torch.device("cuda")) > 1
    assert Tiling(together=3).batch(torch.device("cuda")) == 3
