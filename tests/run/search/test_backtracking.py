"""Bad chunks at known places: repaired within the budget, or ended with the least bad."""

import pytest
from attrs import evolve, frozen
from search_toys import CHUNKS, SHOT, SeesWhite, ToyStream

from phyrefine.errors import BackendError, InvalidInputError
from phyrefine.run.search import Backtracking, CriticVerifier
from phyrefine.testing import MovingDot, ScriptedAsker
from phyrefine.types import Critique


def repair(bad, shot=SHOT, verifier=None, **options):
    toy = ToyStream(bad)
    search = Backtracking(toy, verifier or SeesWhite(), **{"measure": False, **options})
    clip = search.generate(shot)
    return toy, clip, search.records.found[clip.digest]


def whites(clip):
    return [at for at in range(CHUNKS) if clip.frames[4 * at].mean() > 150]


@pytest.mark.parametrize("place", range(CHUNKS))
def test_a_bad_chunk_is_made_anew_with_what_follows_it(place):
    toy, clip, record = repair(lambda index, seed: index == place and seed == 0)
    kept = max(0, place - 1)  # the margin before the violation belongs to the chunk before
    assert whites(clip) == []
    assert record.ended == "clean"
    assert record.chunks == len(toy.made) == CHUNKS + CHUNKS - kept
    plain = ToyStream(lambda *_: False).generate(SHOT)
    assert (clip.frames[: 4 * kept] == plain.frames[: 4 * kept]).all()
    assert (clip.frames[4 * kept :] != plain.frames[4 * kept :]).any()


def test_a_cut_at_the_boundary_without_a_margin():
    _, clip, record = repair(lambda index, seed: index == 2 and seed == 0, margin=0.0)
    assert [one.cut for one in record.tries] == [0, 2]
    assert whites(clip) == []


def test_nothing_wrong_is_the_plain_clip():
    toy, clip, record = repair(lambda *_: False)
    assert clip == ToyStream(lambda *_: False).generate(SHOT)
    assert (record.ended, record.chunks, len(toy.made)) == ("clean", CHUNKS, CHUNKS)


def test_always_bad_ends_at_the_budget_with_the_least_bad():
    def bad(index, seed):
        return index >= 1 or seed == 0

    toy, clip, record = repair(bad, chunks=23)
    assert record.ended == "budget"
    assert record.chunks == len(toy.made) <= 23
    assert record.chunks + CHUNKS > 23 - CHUNKS
    best = max(one.score for one in record.tries if one.score is not None)
    assert -0.25 * len(whites(clip)) == pytest.approx(best)
    assert len(whites(clip)) == 4


def test_never_worse_than_the_plain_clip():
    _, clip, record = repair(lambda index, seed: seed != 0 or index == 3, chunks=30)
    assert whites(clip) == [3]
    assert not any(one.kept for one in record.tries[1:])


def test_a_cut_that_fails_twice_moves_a_chunk_earlier():
    # Only an earlier chunk's noise mends chunk 3: the cause lies before the effect.
    _, _, record = repair(lambda index, seed: index == 3, chunks=40, margin=0.0)
    cuts = [one.cut for one in record.tries[1:]]
    assert cuts[:6] == [3, 3, 2, 2, 1, 1]


def test_no_budget_for_a_try_is_the_plain_clip():
    toy, clip, record = repair(lambda index, seed: index == 0 and seed == 0, chunks=CHUNKS)
    assert whites(clip) == [0]
    assert record.ended == "budget"
    assert len(toy.made) == CHUNKS


def test_asking_after_each_chunk_gives_a_bad_try_up_at_once():
    def bad(index, seed):
        return index == 2

    _, _, whole = repair(bad, chunks=15, margin=0.0, tries=9)
    _, _, early = repair(bad, chunks=15, margin=0.0, tries=9, each_chunk=True)
    assert [one.chunks for one in whole.tries] == [5, 3, 3, 3]
    assert [one.chunks for one in early.tries[:4]] == [5, 1, 1, 1]
    assert "given up" in early.tries[1].note


def test_a_verifier_that_cannot_tell_leaves_the_plain_clip():
    class Silent:
        identity = "silent"

        def verify(self, look):
            return None

    _, clip, record = repair(lambda *_: True, verifier=Silent())
    assert clip == ToyStream(lambda *_: True).generate(SHOT)
    assert record.ended == "no_opinion"


def test_a_verifier_that_fails_loses_nothing():
    @frozen
    class Fails:
        identity: str = "fails"

        def verify(self, look):
            raise BackendError("no key")

    _, clip, record = repair(lambda *_: True, verifier=Fails())
    assert clip == ToyStream(lambda *_: True).generate(SHOT)
    assert (record.ended, record.reason) == ("BackendError", "no key")


def test_a_still_clip_is_not_clean():
    class Praises:
        identity = "praises"

        def verify(self, look):
            return Critique("fine", still=look.clip.frames[0, 0, 0, 0] % 2 == 0)

    _, _, record = repair(lambda *_: False, verifier=Praises(), chunks=60)
    assert record.ended == "clean"
    assert record.tries[-1].score == 0.0


def test_a_selector_keeps_the_plain_clip():
    from phyrefine.types import Choice, Pick

    class First:
        identity = "first"

        def choose(self, scenario, attempts):
            assert len(attempts) == 2
            return Choice(Pick(0), "first", "the first")

    _, clip, record = repair(lambda index, seed: index == 4 and seed == 0, keep=First())
    assert whites(clip) == [4]
    assert "the plain clip was kept" in record.notes[0]


def test_the_rest_gets_a_prompt_of_its_own():
    llm = ScriptedAsker(['{"prompt": "the dot goes on and never turns white", "negative": ""}'])
    _, clip, record = repair(lambda index, seed: index == 3 and seed == 0, revise=llm, margin=0.0)
    assert "white" in llm.asked[0].text
    marks = [int(clip.frames[4 * at, 0, 0, 0]) for at in range(CHUNKS)]
    plain = ToyStream(lambda *_: False).generate(SHOT)
    assert marks[:3] == [int(plain.frames[4 * at, 0, 0, 0]) for at in range(3)]
    assert marks[3:] == [len("the dot goes on and never turns white")] * 2
    assert record.ended == "clean"


def test_a_generator_that_does_not_stream_is_refused():
    with pytest.raises(InvalidInputError, match="makes clips whole"):
        Backtracking(MovingDot(), SeesWhite())


def test_accepted_chunks_are_refused():
    first = next(ToyStream(lambda *_: False).stream(SHOT))
    with pytest.raises(InvalidInputError, match="accepted"):
        repair(lambda *_: False, evolve(SHOT, accepted=(first.clip,), state=first.state))


def test_a_vlm_is_asked_as_the_critic():
    reply = '{"corrected": "a dot moves", "violations": [], "moving": true}'
    vlm = ScriptedAsker([reply])
    search = Backtracking(ToyStream(lambda *_: False), vlm, measure=False)
    search.generate(SHOT)
    assert isinstance(search.critic, CriticVerifier)
    assert [one.stage for one in vlm.asked] == ["critique"]
    assert vlm.asked[0].seam == pytest.approx(3.0)


def test_identities_differ_with_what_changes_the_clip():
    toy = ToyStream(lambda *_: False)
    one = Backtracking(toy, SeesWhite())
    others = [
        Backtracking(toy, SeesWhite(), chunks=7),
        Backtracking(toy, SeesWhite(), tries=1),
        Backtracking(toy, SeesWhite(), each_chunk=True),
        Backtracking(toy, SeesWhite(severity=0.1)),
        Backtracking(toy, SeesWhite(identity="other")),
    ]
    names = [one.identity, *(other.identity for other in others)]
    assert len(set(names)) == len(names) - 1  # an identity of its own speaks for the verifier
    assert not one.profile.streaming
