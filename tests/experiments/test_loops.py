"""Arms that run the method itself, with few steps: they cost what they say, on one scene."""

import numpy as np
import pytest
from made_up import pool

from benchmarks.world.arms import ARMS, Case
from benchmarks.world.evaluating import without_truth
from benchmarks.world.rendering import Renderer
from benchmarks.world.scenes import SceneId

SCENE = SceneId(1_100_001)
OWN = [name for name, found in ARMS.items() if found.own]


def act(name, budget=2):
    case = Case(SCENE, without_truth(pool()), budget, np.random.default_rng(0),
                Renderer("truthful", steps=1))  # fmt: skip
    return ARMS[name].act(case)


@pytest.mark.slow
@pytest.mark.parametrize("name", OWN)
def test_every_arm_answers_within_its_budget(name):
    made = act(name)
    assert made.clip.duration == 5.0
    assert made.cost.clips <= 2
    assert made.cost.chunks == 5 * made.cost.clips


def test_costs_do_not_depend_on_what_ran_before():
    assert act("loop: last clip").cost == act("loop: last clip").cost


@pytest.mark.slow
def test_the_blind_critic_watches_another_video(monkeypatch):
    from phyrefine.world.eye import WorldVLM

    watched = []
    ask = WorldVLM.ask

    def spy(self, question):
        if question.stage == "critique":
            watched.append(question.clips[0].digest)
        return ask(self, question)

    monkeypatch.setattr(WorldVLM, "ask", spy)
    scene = SceneId(SCENE.seed + 5)  # nothing of it is in the store yet
    case = Case(scene, without_truth(pool()), 2, np.random.default_rng(0),
                Renderer("truthful", steps=1))  # fmt: skip
    ARMS["blind critic: last clip"].act(case)
    blind = set(watched)
    watched.clear()
    ARMS["loop: last clip"].act(case)
    assert blind
    assert not blind & set(watched)
