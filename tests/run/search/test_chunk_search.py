"""The best version of every chunk goes on, within the budget."""

import numpy as np
import pytest
from attrs import frozen
from search_toys import CHUNKS, SHOT, ToyStream

from phyrefine.errors import InvalidInputError
from phyrefine.run.search import ChunkSearch
from phyrefine.testing import MovingDot
from phyrefine.types import PoolScores


@frozen
class Dark:
    """Prefers dark frames, all of them."""

    name: str = "dark"
    identity: str = "dark"

    def score_pool(self, pool):
        return PoolScores({e.key: -float(e.candidate.clip.frames.mean()) for e in pool.entries})


@frozen
class NoOpinion:
    name: str = "none"

    def score_pool(self, pool):
        return PoolScores({key: float("nan") for key in pool.keys}, notes=("no evidence",))


def search(bad=lambda *_: False, shot=SHOT, **options):
    toy = ToyStream(bad)
    found = ChunkSearch(toy, **{"scorer": Dark(), **options})
    clip = found.generate(shot)
    return toy, clip, found.records.found[clip.digest]


@pytest.mark.parametrize(("width", "beam", "ahead", "chunks"), [
    (1, 1, 0, 5), (4, 1, 0, 20), (2, 2, 0, 18), (3, 1, 1, 27), (2, 1, 9, 30),
])  # fmt: skip
def test_it_makes_as_many_chunks_as_it_says(width, beam, ahead, chunks):
    toy, clip, record = search(width=width, beam=beam, look_ahead=ahead)
    assert record.chunks == len(toy.made) == chunks
    assert len(clip) == 4 * CHUNKS
    assert record.ended == "done"


def test_width_one_is_the_plain_clip():
    first = ToyStream(lambda *_: False)
    # Chunk after chunk under new noise: the first is the shot's own.
    _, clip, _ = search(width=1)
    assert (clip.frames[:4] == first.generate(SHOT).frames[:4]).all()


def test_a_bad_chunk_is_not_chosen():
    _, clip, record = search(lambda index, seed: index == 0 and seed == 0, width=2)
    assert clip.frames[:4].mean() < 150
    assert [one.kept for one in record.tries[:2]] == [False, True]


@pytest.mark.parametrize("place", range(CHUNKS))
def test_a_chunk_that_goes_wrong_in_most_noise_is_found_within_the_budget(place):
    def bad(index, seed):
        return index == place and seed % 4 != 0

    toy, clip, record = search(bad, width=12, chunks=60)
    assert record.chunks == len(toy.made) <= 60
    assert (clip.frames.mean(axis=(1, 2, 3)) < 150).all()


def test_always_bad_ends_at_the_budget_with_the_least_bad():
    def bad(index, seed):
        return index == 0 or seed % 2 == 1

    toy, clip, record = search(bad, width=6, chunks=17)
    assert record.chunks == len(toy.made) <= 17
    assert record.ended == "budget"
    white = [at for at in range(CHUNKS) if clip.frames[4 * at].mean() > 150]
    assert white == [0]  # what no noise mends is left, and nothing else
    for cut in (0, 1):
        tried = [one for one in record.tries if one.cut == cut and one.score is not None]
        chosen = [one.score for one in tried if one.kept]
        assert chosen == [max(one.score for one in tried)]


def test_looking_ahead_sees_what_a_chunk_leads_to():
    def bad(index, seed):
        return index == 1 and seed == SHOT.seed  # the shot's own noise leads to a white chunk

    blind = [one for one in search(bad, width=2)[2].tries if one.cut == 0]
    ahead = [one for one in search(bad, width=2, look_ahead=1)[2].tries if one.cut == 0]
    assert not ahead[0].kept  # its second chunk would be white
    assert ahead[1].kept
    assert blind[0].score != ahead[0].score


def test_the_budget_finishes_the_clip_plainly():
    toy, clip, record = search(width=4, chunks=12)
    assert record.chunks == len(toy.made) <= 12
    assert record.ended == "budget"
    assert record.tries[-1].note == "plain"
    assert len(clip) == 4 * CHUNKS


def test_no_opinion_keeps_the_first_version_and_says_so():
    _, _, record = search(width=3, scorer=NoOpinion())
    assert [one.kept for one in record.tries[:3]] == [True, False, False]
    assert record.notes == ("no evidence",)
    assert all(one.score is None for one in record.tries)


def test_a_beam_keeps_several():
    _, _, record = search(width=2, beam=2)
    kept = [one for one in record.tries if one.cut == 1 and one.kept]
    assert len(kept) == 2


def test_agreement_is_the_default():
    toy = ToyStream(lambda *_: False)
    found = ChunkSearch(toy, 2)
    clip = found.generate(SHOT)
    assert found.scorer.name == "consensus"
    assert np.isfinite(clip.frames).all()


def test_a_generator_that_does_not_stream_is_refused():
    with pytest.raises(InvalidInputError, match="best_of"):
        ChunkSearch(MovingDot())
