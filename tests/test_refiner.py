import json
import re

import pytest

from phyrefine import Budget, Candidates, Scenario, SelfRefiner
from phyrefine.adapt import FunctionAsker
from phyrefine.errors import (
    AuthError,
    BudgetExceededError,
    InvalidInputError,
    RateLimitedError,
    RunMismatchError,
)
from phyrefine.refine.convergence import MaxLoops
from phyrefine.select.oracle import Oracle
from phyrefine.select.simple import Last
from phyrefine.testing import MovingDot, moving_clip
from phyrefine.types import Answer, Usage

SCENE = Scenario("A dot moves.", moving_clip(24, (32, 32)), seconds=1.0, name="dot")


class Watcher:
    """A VLM that finds fault until the prompt says the magic word; counts its calls."""

    identity = "watcher"

    def __init__(self, fail_at=None, error=None):
        self.stages = []
        self.fail_at, self.error = fail_at, error

    def ask(self, question):
        self.stages.append(question.stage)
        if self.fail_at == len(self.stages):
            raise self.error
        if question.stage == "predict":
            said = {"scene": "", "domains": ["optics"], "events": [], "prediction": "It moves on."}
        elif question.stage == "critique":
            said = {"observed": "", "moving": True, "corrected": f"It glides {len(self.stages)}.",
                    "violations": [{"law": "Inertia", "what": "it stops", "start": 3.1,
                                    "end": None, "where": "", "severity": 1, "confidence": 1}]}  # fmt: skip
        else:
            said = {"score": float(question.clips[0].frames[-1].mean() % 10), "reason": ""}
        return Answer(json.dumps(said), "watcher-1", Usage(1, {"input": 100, "output": 10}))


class Writer:
    identity = "writer"

    def ask(self, question):
        tag = "plan" if "<plan>" in question.text else "physics_text"
        told = question.text.split(f"<{tag}>")[1].split(f"</{tag}>")[0]
        words = [SCENE.description, *re.sub(r"- [(\[][^)\]]*[)\]] ", "", told).split()]
        return Answer(json.dumps({"prompt": " ".join(words), "negative": ""}), "writer-1", Usage(1))


def refiner(vlm=None, generator=None, **settings):
    settings.setdefault("convergence", MaxLoops(2))
    settings.setdefault("ensemble", "consensus+judge")
    return SelfRefiner(vlm or Watcher(), Writer(), generator or MovingDot(), **settings)


def test_refine_returns_everything_and_the_choice():
    heard = []

    class Ears:
        def on_event(self, event, details):
            heard.append(event)

    refined = refiner(listeners=[Ears()]).refine(SCENE)
    assert [attempt.index for attempt in refined.attempts] == [0, 1, 2]
    assert [attempt.baseline for attempt in refined.attempts] == [True, False, False]
    assert refined.attempts[0].prompt.text == SCENE.description
    assert refined.stopped_by == "loop_limit"
    assert refined.reason == "max_loops: loop 2 of 2"
    assert refined.prediction.text == "It moves on."
    assert len(refined.verdicts) == 2
    assert refined.video == refined.best.candidates[refined.choice.pick.candidate].clip
    assert refined.prompt == refined.best.prompt
    assert len(refined.video) == SCENE.frames
    assert refined.usage.calls == sum(a.usage.calls for a in refined.attempts) + 3  # three judged
    assert heard.count("attempt") == 3
    assert "chosen" in heard


def test_iterate_yields_as_it_goes():
    generator = MovingDot()
    attempts = refiner(generator=generator).iterate(SCENE)
    assert next(attempts).baseline
    assert len(generator.shots) == 1
    assert next(attempts).index == 1
    assert len(generator.shots) == 2


def test_one_line_swaps_the_generator():
    def static(shot):
        import numpy as np

        return np.full((shot.frames, 32, 32, 3), 0.5)

    from phyrefine.testing import ScriptedAsker

    for generator in (MovingDot(), static, "world:truthful"):
        if isinstance(generator, str):
            pytest.importorskip("torch")
            pytest.importorskip("pymunk")
        refined = SelfRefiner(
            Watcher(), Writer(), generator, convergence=MaxLoops(1), ensemble=Last()
        ).refine(SCENE)
        assert len(refined.video) == SCENE.frames
        assert refined.video.size == (32, 32)
    with pytest.raises(InvalidInputError, match="no video generator"):
        SelfRefiner(Watcher(), Writer(), 3)
    with pytest.raises(InvalidInputError, match="no VLM"):
        SelfRefiner(3, Writer(), static)
    assert isinstance(SelfRefiner(lambda q: "x", ScriptedAsker(["x"]), static).vlm, FunctionAsker)


def test_the_paper_verbatim():
    vlm, generator = Watcher(), MovingDot()
    refined = SelfRefiner.paper(vlm, Writer(), generator, steps=32, loops=3).refine(SCENE)
    assert not any(attempt.baseline for attempt in refined.attempts)
    assert {shot.steps for shot in generator.shots} == {32}
    assert refined.choice.selector == "last"
    assert refined.choice.pick.attempt == len(refined.attempts) - 1 == 2
    assert "judge" not in vlm.stages
    assert vlm.stages.count("critique") == 3  # no second looks
    other = SelfRefiner.paper(vlm, Writer(), generator, convergence=MaxLoops(1))
    assert len(other.refine(SCENE).attempts) == 1


def test_own_chains_loop_for_every_step_count():
    generator = MovingDot()
    refined = refiner(
        generator=generator, candidates=Candidates((4, 8), chain="own"), ensemble="last"
    ).refine(SCENE)
    told = [(a.index, [c.steps for c in a.candidates]) for a in refined.attempts]
    assert told == [(0, [4, 8]), (1, [4]), (2, [4]), (1, [8]), (2, [8])]
    shared = refiner(candidates=Candidates((4, 8)), ensemble="last").refine(SCENE)
    assert [(a.index, len(a.candidates)) for a in shared.attempts] == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("error", "name"), [(RateLimitedError("slow"), "rate_limit"), (AuthError("no"), "auth")]
)
def test_a_fault_ends_the_run_and_keeps_what_is_finished(error, name):
    refined = refiner(Watcher(fail_at=4, error=error), ensemble="critics_pick").refine(SCENE)
    assert refined.stopped_by == name
    assert refined.reason == f"{error} (In attempt 2 of dot.)"
    assert len(refined.attempts) == 3
    assert refined.attempts[-1].critique is None
    assert refined.video is not None


def test_a_fault_before_anything_is_raised():
    with pytest.raises(AuthError):
        refiner(Watcher(fail_at=1, error=AuthError("no key")), baseline=False).refine(SCENE)


def test_a_spent_budget_returns_the_best_so_far():
    refined = refiner(budget=Budget(calls=4)).refine(SCENE)
    assert refined.stopped_by == "budget"
    assert "calls" in refined.reason
    assert refined.attempts
    assert refined.choice.selector == "critics_pick"  # the judge could not be asked any more
    assert "could not choose" in refined.choice.reason
    with pytest.raises(BudgetExceededError):
        refiner(budget=Budget(calls=0)).refine(SCENE)


def test_a_clip_made_before_the_budget_ran_out_is_kept():
    # Predict, rewrite, generate: the fourth call would be the critique of the clip just paid for.
    generator = MovingDot()
    refined = refiner(
        generator=generator, baseline=False, budget=Budget(calls=3), ensemble=Last()
    ).refine(SCENE)
    assert refined.stopped_by == "budget"
    assert len(generator.shots) == len(refined.attempts) == 1
    assert refined.attempts[0].critique is None
    assert len(refined.video) == SCENE.frames


def test_prices_give_costs():
    refined = refiner(prices={"watcher-1": {"input": 1.0, "output": 10.0},
                              "writer-1": {"input": 0.0, "output": 0.0}}).refine(SCENE)  # fmt: skip
    asked = sum(a.usage.tokens.get("input", 0) for a in refined.attempts) / 100 + 3
    assert refined.usage.usd == pytest.approx(asked * (100 * 1.0 + 10 * 10.0) / 1e6)


def test_a_run_folder_never_pays_twice(tmp_path):
    first = refiner(run_dir=tmp_path / "run").refine(SCENE)
    vlm, generator = Watcher(), MovingDot()
    again = refiner(vlm, generator, run_dir=tmp_path / "run").refine(SCENE)
    assert again == first
    assert vlm.stages == []
    assert generator.shots == []


def test_more_loops_go_on_and_other_seeds_are_another_experiment(tmp_path):
    refiner(run_dir=tmp_path).refine(SCENE)
    generator = MovingDot()
    longer = refiner(generator=generator, run_dir=tmp_path, convergence=MaxLoops(3)).refine(SCENE)
    assert len(longer.attempts) == 4
    assert len(generator.shots) == 1
    with pytest.raises(RunMismatchError, match="candidates"):
        refiner(run_dir=tmp_path, candidates=Candidates(seeds=(5,))).refine(SCENE)


def test_many_scenarios_one_broken(tmp_path):
    def breaks(shot):
        if "broken" in shot.prompt.text:
            raise RuntimeError("the GPU is on fire")

    scenes = [Scenario(text, SCENE.prefix, seconds=0.5, name=text[:5])
              for text in ("A dot.", "broken dot", "Red dot.")]  # fmt: skip
    results = refiner(
        generator=MovingDot(fail=breaks), run_dir=tmp_path, ensemble="last"
    ).refine_many(scenes, workers=2)
    assert [r.scenario for r in results] == scenes
    assert [r.stopped_by for r in results] == ["loop_limit", "error", "loop_limit"]
    assert "on fire" in results[1].reason
    with pytest.raises(InvalidInputError, match="No attempt was finished"):
        results[1].video  # noqa: B018


def test_the_oracle_is_stamped():
    refined = refiner(ensemble=Oracle(lambda s, c: float(c.frames.mean()))).refine(SCENE)
    assert refined.choice.oracle
