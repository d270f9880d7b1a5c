import pytest
import torch

from phyrefine.errors import InvalidInputError
from phyrefine.magi.model.cache import Captions, ChunkCache, cache_state

CPU = torch.device("cpu")


def _filled(chunks=3, layers=2, **options):
    cache = ChunkCache(**options)
    for chunk in range(chunks):
        for layer in range(layers):
            cache.store(chunk, layer, torch.full((2, 4, 1, 3), float(10 * chunk + layer)))
    return cache


@pytest.mark.parametrize("offload", [False, True])
def test_what_was_stored_comes_back_in_order(offload):
    past = _filled(offload=offload).past(range(1, 3), 1, CPU)
    assert [tensor[0, 0, 0, 0].item() for tensor in past] == [11, 21]


def test_stored_tensors_are_copies():
    cache, tensor = ChunkCache(), torch.zeros(2, 4, 1, 3)
    cache.store(0, 0, tensor)
    tensor += 1
    assert cache.past([0], 0, CPU)[0].sum() == 0


def test_a_chunk_that_is_not_there_is_named():
    cache = _filled()
    cache.drop_before(2)
    with pytest.raises(InvalidInputError, match=r"Chunks \[1\] are not .* holds \[2\]"):
        cache.past([1, 2], 0, CPU)
    with pytest.raises(InvalidInputError, match=r"Chunks \[2\]"):
        cache.past([2], 7, CPU)


def test_bytes_are_counted_and_given_up():
    cache = _filled()
    assert cache.nbytes == 3 * 2 * 2 * 4 * 3 * 4
    cache.drop_before(3)
    assert (cache.nbytes, cache.chunks) == (0, [])


def test_copies_share_tensors_and_nothing_else():
    cache = _filled()
    twin = cache.copy()
    first, second = (cache_state(each)[0, 0] for each in (cache, twin))
    assert first.data_ptr() == second.data_ptr()
    twin.drop_before(2)
    twin.store(5, 0, torch.zeros(2, 4, 1, 3))
    assert cache.chunks == [0, 1, 2]
    assert twin.chunks == [2, 5]


def test_captions_that_share_a_block_share_its_features():
    shared, own = torch.ones(3, 8), torch.zeros(2, 8)
    captions = Captions.packed([[shared], [own, shared], []])
    assert captions.features.shape == (5, 8)
    assert captions.segments == (((0, 3),), ((3, 5), (0, 3)), ())


@pytest.mark.parametrize("keep", [True, False])
def test_keys_of_captions_are_kept_unless_told_not_to(keep):
    captions = Captions(torch.zeros(1, 8), [[(0, 1)]], keep=keep)
    captions.remember(0, (torch.zeros(2, 1, 1, 4), None))
    assert (captions.layer(0) is not None) == keep
