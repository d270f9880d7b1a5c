"""Drafts in the loop, finals for the answer, and whether one stands for the other."""

import numpy as np
import pytest
from attrs import define, evolve, field
from search_toys import SHOT, scenario

from phyrefine import Budget, Candidates, SelfRefiner
from phyrefine.errors import InvalidInputError
from phyrefine.refine.convergence import MaxLoops
from phyrefine.run.search import Draft
from phyrefine.run.search.drafting import DraftGenerator, compare_drafts
from phyrefine.testing import MovingDot, ScriptedAsker
from phyrefine.types import Choice, Pick, PoolScores
from phyrefine.video.clip import Clip

SAID = [('{"prompt": "the dot moves on", "corrected": "the dot moves on", "violations": [],'
         ' "moving": true, "prediction": "the dot moves on", "events": []}')]  # fmt: skip


@define
class Takes:
    """Chooses a place, and remembers the pools."""

    place: int
    pools: list = field(factory=list)
    identity: str = "takes"

    def choose(self, scenario, attempts):
        self.pools.append(attempts)
        place = min(self.place, len(attempts) - 1)
        scores = {f"{at}.0": float(at == place) for at in range(len(attempts))}
        return Choice(Pick(place), "takes", "so", scores)


class ThenFirst(Takes):
    """The later draft, and of the finals the first."""

    def choose(self, scenario, attempts):
        self.place = 0 if attempts[0].final else 1
        return Takes.choose(self, scenario, attempts)


def refiner(draft, generator=None, **options):
    asker = ScriptedAsker(SAID)
    return SelfRefiner(
        asker, asker, generator or MovingDot(), draft=draft,
        **{"convergence": MaxLoops(1), "ensemble": Takes(1), **options},
    )  # fmt: skip


def test_loops_make_drafts_and_the_answer_is_a_final():
    made = refiner(Draft(steps=2), ensemble=ThenFirst(0))
    refined = made.refine(scenario())
    steps = [shot.steps for shot in made.generator.shots]
    drafts = [one for one in refined.attempts if not one.final]
    finals = [one for one in refined.attempts if one.final]
    assert steps == [2] * len(drafts) + [None, None]
    # The plain clip comes last: of two clips that agree equally the earlier one is taken.
    assert [one.baseline for one in finals] == [False, True]
    assert refined.best.final
    assert not refined.best.baseline
    assert refined.choice.pick.attempt == len(drafts)
    assert set(refined.choice.scores) == {f"{len(drafts)}.0", f"{len(drafts) + 1}.0"}
    assert finals[0].prompt == drafts[1].prompt
    assert "the final of the draft of loop 1" in finals[0].notes[0]


def test_a_final_worse_than_the_plain_clip_does_not_win():
    refined = refiner(Draft(steps=2), ensemble=Takes(1)).refine(scenario())
    assert refined.best.final
    assert refined.best.baseline


def test_another_generator_makes_the_drafts():
    cheap, full = MovingDot(identity="cheap"), MovingDot(identity="full")
    refined = refiner(Draft(generator=cheap), full).refine(scenario())
    assert len(cheap.shots) == sum(not one.final for one in refined.attempts)
    assert len(full.shots) == 2


def test_several_finals():
    made = refiner(Draft(steps=2, finals=2), candidates=Candidates(seeds=(0,)))
    refined = made.refine(scenario())
    assert sum(one.final for one in refined.attempts) >= 2


def test_small_drafts_are_stretched_and_keep_their_own_frames():
    small = DraftGenerator(MovingDot(), Draft(size=(12, 12)))
    clip = small.generate(SHOT)
    assert clip.size == SHOT.size
    assert clip.as_made.size == (12, 12)
    assert small.identity != DraftGenerator(MovingDot(), Draft(size=(8, 8))).identity


def test_options_go_over_the_shots_own():
    inner = MovingDot()
    shot = evolve(SHOT, options={"guidance": 1, "shift": 3})
    DraftGenerator(inner, Draft(options={"guidance": 2})).generate(shot)
    assert inner.shots[0].options == {"guidance": 2, "shift": 3}


def test_a_spent_budget_keeps_the_drafts():
    refined = refiner(Draft(steps=2), budget=Budget(clips=2)).refine(scenario())
    assert refined.stopped_by == "budget"
    assert len(refined.attempts) == 2
    assert not refined.best.final


def test_drafts_that_were_not_checked_are_told():
    refined = refiner(Draft(steps=2)).refine(scenario())
    assert any("check_draft" in said for said in refined.disclaimers)
    assert not refiner(None).refine(scenario()).disclaimers


def test_the_check_renders_both_ways_and_is_printed():
    made = refiner(Draft(steps=2))
    check = made.check_draft(scenario(), 8)
    assert [shot.steps for shot in made.generator.shots] == [2] * 8 + [None] * 8
    assert check.clips == 8
    assert check.correlation == pytest.approx(1.0)  # its frames do not depend on the steps
    assert check.valid
    assert check.same_best
    refined = made.refine(scenario())
    assert any("rank like finals: rank correlation 1.00" in said for said in refined.disclaimers)


def flat(value):
    return Clip(np.full((8, 8, 8, 3), value, np.uint8), 8.0)


class Bright:
    name = "bright"

    def score_pool(self, pool):
        return PoolScores({e.key: float(e.candidate.clip.frames.mean()) for e in pool.entries})


def test_drafts_in_the_other_order_are_not_valid():
    up, down = [flat(n) for n in range(8)], [flat(9 - n) for n in range(8)]
    check = compare_drafts(scenario(), up, down, Bright())
    assert check.correlation == pytest.approx(-1.0)
    assert not check.valid
    assert "do not rank like" in str(check)
    same = compare_drafts(scenario(), up, [flat(5)] * 8, Bright())
    assert same.correlation is None
    assert not same.valid


def test_too_few_clips_say_nothing():
    with pytest.raises(InvalidInputError, match="at least 8"):
        compare_drafts(scenario(), [flat(1)] * 7, [flat(1)] * 7, Bright())
    with pytest.raises(InvalidInputError, match="at least 8"):
        refiner(Draft(steps=2)).check_draft(scenario(), 7)
    with pytest.raises(InvalidInputError, match="no draft"):
        refiner(None).check_draft(scenario())


def test_a_draft_must_be_cheaper():
    with pytest.raises(InvalidInputError, match="must be cheaper"):
        Draft()
