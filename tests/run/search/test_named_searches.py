"""Searches and drafts as the command line and experiment files name them."""

import pytest
from search_toys import SeesWhite, ToyStream, scenario

from phyrefine import SelfRefiner
from phyrefine.errors import InvalidInputError
from phyrefine.refine.convergence import MaxLoops
from phyrefine.run.search import Backtracking, ChunkSearch
from phyrefine.run.search.drafting import Draft
from phyrefine.run.search.named import (
    check_draft,
    check_search,
    draft_options,
    named_draft,
    named_search,
    search_options,
    searching,
)
from phyrefine.testing import MovingDot, ScriptedAsker

SAID = [('{"prompt": "the dot moves on", "corrected": "the dot moves on", "violations": [],'
         ' "moving": true, "prediction": "the dot moves on", "events": []}')]  # fmt: skip


def test_every_option_arrives():
    asker = ScriptedAsker(SAID)
    made = named_search(
        "backtracking?chunks=12&tries=3&margin=0.25&revise=true&each_chunk=yes&keep=consensus"
        "&measure=false",
        ToyStream(lambda *_: False),
        SeesWhite(),
        asker,
    )
    assert isinstance(made, Backtracking)
    assert (made.chunks, made.tries, made.margin, made.each_chunk) == (12, 3, 0.25, True)
    assert made.revise is asker
    assert made.keep is not None
    assert not made.measure
    plain = named_search("backtracking", ToyStream(lambda *_: False), SeesWhite(), asker)
    assert (plain.chunks, plain.revise, plain.keep, plain.measure) == (20, None, None, True)
    wide = named_search(
        "chunks?width=3&beam=2&look_ahead=1&chunks=30&scorer=motion_quality",
        ToyStream(lambda *_: False), SeesWhite(), asker,
    )  # fmt: skip
    assert isinstance(wide, ChunkSearch)
    assert (wide.width, wide.beam, wide.look_ahead, wide.chunks) == (3, 2, 1, 30)
    assert "motion_quality" in wide.identity or "Motion" in wide.identity


def test_options_are_those_of_the_classes_and_explained():
    for name, made in (("backtracking", Backtracking), ("chunks", ChunkSearch)):
        for option in search_options(name).values():
            assert hasattr(made, option.name)
            assert option.help
    assert all(hasattr(Draft, name) for name in draft_options())


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("backtrack", "Did you mean 'backtracking'"),
        ("backtracking?chunk=3", "Did you mean 'chunks'"),
        ("backtracking?chunks=many", "takes int"),
        ("chunks?width=x", "takes int"),
    ],
)
def test_wrong_searches(spec, match):
    with pytest.raises(InvalidInputError, match=match):
        check_search(spec)


def test_values_out_of_range_and_generators_that_do_not_stream():
    with pytest.raises(InvalidInputError, match="The search backtracking: 'chunks' must be >= 1"):
        named_search("backtracking?chunks=0", ToyStream(lambda *_: False), SeesWhite(), None)
    with pytest.raises(InvalidInputError, match="makes clips whole"):
        named_search("chunks", MovingDot(), SeesWhite(), None)


def test_drafts():
    assert named_draft("steps=2&finals=3") == Draft(steps=2, finals=3)
    assert named_draft('?size=12x16&options={"shift": 3}') == Draft(
        size=(12, 16), options={"shift": 3}
    )
    for spec, match in (
        ("steps=x", "takes int"),
        ("steps=0", "A draft: 'steps' must be >= 1"),
        ("finals=2", "must be cheaper"),
        ("step=2", "Did you mean 'steps'"),
        ("2", "given as key=value"),
    ):
        with pytest.raises(InvalidInputError, match=match):
            check_draft(spec)


def test_a_draft_of_another_generator_loads_it_only_when_made():
    check_draft("generator=no-such-backend")
    with pytest.raises(InvalidInputError, match="no-such-backend"):
        named_draft("generator=no-such-backend")


def test_a_refiner_with_a_named_search():
    asker, toy = ScriptedAsker(SAID), ToyStream(lambda index, _seed: index == 2)
    backends = searching("backtracking?chunks=9&measure=false", (asker, asker, toy))
    made = SelfRefiner(*backends, convergence=MaxLoops(1), baseline=False, ensemble="last").refine(
        scenario()
    )
    assert made.attempts[0].candidates[0].search.kind == "backtracking"
