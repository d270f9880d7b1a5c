import numpy as np
import pytest
from attrs import evolve

from phyrefine import Candidates, Scenario, SelfRefiner
from phyrefine.errors import InvalidInputError
from phyrefine.run.ablation import ablate, difference, of_attempt
from phyrefine.testing import ScriptedAsker, moving_clip
from phyrefine.types import (
    Attempt,
    Candidate,
    Choice,
    GeneratorProfile,
    Pick,
    Plan,
    PlanEvent,
    Prompt,
    Refinement,
)
from phyrefine.video.clip import Clip

SCENE = Scenario("A ball falls.", moving_clip(8, (16, 16)), seconds=1.0, size=(16, 16))
PLAN = Plan(SCENE.description, camera="The camera is fixed.",
            events=(PlanEvent("The ball falls left.", 0.0, 0.5),
                    PlanEvent("The ball bounces.", 0.5, 1.0)))  # fmt: skip


class Understands:
    """Draws a bar whose place follows from words it knows, over noise of the seed."""

    profile = GeneratorProfile("bars", fps=8.0)
    identity = "bars"

    def __init__(self):
        self.asked = []

    def generate(self, shot):
        self.asked.append((shot.prompt.text, shot.seed))
        noise = np.random.default_rng(shot.seed).integers(0, 8, (8, 16, 16, 3), dtype=np.uint8)
        frames = noise.copy()
        column = 0 if "left" in shot.prompt.text else 12
        frames[:, :, column : column + 4] += 200
        return Clip(frames, 8.0)


def refinement(plan=PLAN):
    attempts = (
        Attempt(0, Prompt(SCENE.description), (Candidate(SCENE.prefix),), baseline=True),
        Attempt(1, Prompt("x", plan=plan), (Candidate(SCENE.prefix, seed=5, steps=3),)),
    )
    return Refinement(SCENE, attempts, Choice(Pick(1), "judge", "why"))


def ablated(**settings):
    model = Understands()
    refiner = SelfRefiner(ScriptedAsker([""]), ScriptedAsker([""]), model)
    return model, ablate(refinement(), refiner, model.profile, **settings)


def test_idle_statements_are_told_from_those_that_act():
    model, found = ablated()
    assert next(e.statement.text for e in found.effects) == "The ball falls left."
    assert {e.statement.text: e.idle for e in found.effects} == {
        "The ball falls left.": False,
        "The ball bounces.": True,
        "The camera is fixed.": True,
    }
    assert found.effects[0].share > 1
    assert 1 < found.noise < 6
    # One whole clip, two other seeds, one clip for each statement; nobody else was asked.
    assert len(model.asked) == 3 + 3
    assert {seed for _, seed in model.asked} == {5, 6, 7}
    assert "falls left" not in found.effects[0].prompt.text
    shown = str(found.shown())
    assert "idle" in shown
    assert "A new seed alone" in shown


def test_a_budget_of_statements_takes_events_first_and_tells_the_rest():
    model, found = ablated(most=1)
    assert [e.statement.kind for e in found.effects] == ["event"]
    assert [item.text for item in found.skipped] == ["The ball bounces.", "The camera is fixed."]
    assert "Not tried" in str(found.shown())
    assert len(model.asked) == 4


def test_what_cannot_be_ablated_is_told():
    model = Understands()
    refiner = SelfRefiner(ScriptedAsker([""]), ScriptedAsker([""]), model)
    plain = evolve(refinement(), choice=Choice(Pick(0), "judge", "why"))
    with pytest.raises(InvalidInputError, match="no plan"):
        ablate(plain, refiner, model.profile)
    assert of_attempt(plain, 1).best.index == 1
    with pytest.raises(InvalidInputError, match="no loop 4: the run has 1"):
        of_attempt(plain, 4)
    with pytest.raises(InvalidInputError, match="nothing to leave out"):
        ablate(refinement(Plan("D.")), refiner, model.profile)


def test_difference_is_the_mean_in_gray_levels():
    one = Clip(np.zeros((2, 4, 4, 3), np.uint8), 8.0)
    assert difference(one, Clip(np.full((3, 4, 4, 3), 30, np.uint8), 8.0)) == 30.0


def test_a_prompt_of_ones_own_is_rendered_from_the_store(tmp_path):
    model = Understands()
    refiner = SelfRefiner(ScriptedAsker([""]), ScriptedAsker([""]), model, run_dir=tmp_path)
    takes = Candidates(seeds=(0, 1))
    attempt = refiner.render(SCENE, Prompt("mine left"), candidates=takes)
    assert [c.seed for c in attempt.candidates] == [0, 1]
    assert len(model.asked) == 2
    assert refiner.render(SCENE, Prompt("mine left"), candidates=takes).clip == attempt.clip
    assert len(model.asked) == 2
