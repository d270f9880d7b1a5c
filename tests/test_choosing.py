"""How ``SelfRefiner`` chooses: controls, best-of-N, adaptive N, budgets of clips, costs."""

import pytest
from test_refiner import SCENE, Watcher, Writer, refiner

from phyrefine import Budget, Candidates, SelfRefiner
from phyrefine.errors import InvalidInputError
from phyrefine.refine.convergence import MaxLoops, SamePrompt, default_policy
from phyrefine.select.agreement.consensus import Consensus
from phyrefine.select.combining.combined import Combined
from phyrefine.select.simple import Last
from phyrefine.testing import MovingDot, StreamingDot
from phyrefine.types import PoolScores


def test_every_choice_has_its_controls_beside_it():
    chosen = refiner(ensemble="consensus+judge", candidates=Candidates(seeds=(0, 1, 2))).refine(
        SCENE
    )
    assert set(chosen.choice.controls) == {
        "random", "random inside the guard", "most motion", "least motion"
    }  # fmt: skip
    assert set(chosen.choice.parts) == {"consensus", "judge"}
    last = refiner(ensemble="last").refine(SCENE)
    assert set(last.choice.controls) == set(chosen.choice.controls)


def test_best_of_makes_one_prompt_and_asks_no_critic():
    vlm = Watcher()
    made = SelfRefiner.best_of(vlm, Writer(), MovingDot(), 5, ensemble="consensus").refine(SCENE)
    assert len(made.attempts) == 1
    assert [candidate.seed for candidate in made.attempts[0].candidates] == [0, 1, 2, 3, 4]
    assert not made.attempts[0].baseline
    assert made.attempts[0].critique is None
    assert made.stopped_by == "one_prompt"
    assert vlm.stages == ["predict"]
    assert made.choice.selector == "consensus"
    with pytest.raises(InvalidInputError, match="at least one clip"):
        SelfRefiner.best_of(Watcher(), Writer(), MovingDot(), 0)


def test_adaptive_best_of_stops_early_and_keeps_the_rest_of_the_budget():
    class Dull:
        name = "dull"

        def score_pool(self, pool):
            return PoolScores(dict.fromkeys(pool.keys, 1.0))

    rule = Combined((Dull(),))
    early = SelfRefiner.best_of(Watcher(), Writer(), MovingDot(), 12, adaptive=True, ensemble=rule)
    assert len(early.refine(SCENE).attempts[0].candidates) == 4
    with pytest.raises(InvalidInputError, match="scores no clips"):
        SelfRefiner.best_of(Watcher(), Writer(), MovingDot(), 12, adaptive=True, ensemble="last")


def test_the_cost_is_known_before_and_kept_to():
    vlm, llm, dot = Watcher(), Writer(), MovingDot()
    fixed = SelfRefiner.best_of(vlm, llm, dot, 3, ensemble="consensus+judge")
    cost = fixed.cost()
    assert str(cost) == "at most 3 clips, 4 VLM questions (3 for the choice) and 1 LLM question"
    fixed.refine(SCENE)
    assert len(vlm.stages) == cost.vlm_questions
    whole = SelfRefiner(
        Watcher(), Writer(), dot, convergence=default_policy(4), ensemble="judge"
    ).cost()
    assert whole.clips == 5
    assert whole.vlm_questions == 1 + 4 * 2 + 2 + 5
    assert "an unknown number" in str(SelfRefiner(vlm, llm, dot, ensemble=Last()).cost())
    assert SelfRefiner(vlm, llm, dot, convergence=SamePrompt()).cost() is None


def test_a_budget_of_clips_stops_the_run_with_the_best_so_far():
    spent = refiner(candidates=Candidates(seeds=(0, 1)), budget=Budget(clips=3)).refine(SCENE)
    assert spent.stopped_by == "budget"
    assert "3 of 3 clips" in spent.reason
    assert spent.usage.clips == 3.0
    streamed = refiner(generator=StreamingDot(), budget=Budget(clips=2)).refine(SCENE)
    assert streamed.stopped_by == "budget"
    assert streamed.usage.clips == pytest.approx(2.0)


def test_pool_scorers_are_recorded_for_patience():
    made = refiner(scorers=[Consensus()], convergence=MaxLoops(3), baseline=False).refine(SCENE)
    recorded = [attempt.scores.get("consensus") for attempt in made.attempts]
    assert recorded[0] is None  # the first clip has nobody to agree with
    assert all(attempt.scores.keys() <= {"consensus"} for attempt in made.attempts)
