"""The library's own ensembles as arms; each runs on the clips of the draw."""

from __future__ import annotations

from benchmarks.world.arms.counting import Counted
from benchmarks.world.arms.registry import Act, Case, Cost, Picked, arm
from phyrefine.select.named import ensemble
from phyrefine.world.eye import WorldVLM


def rule(name: str) -> Act:
    """An arm that chooses by the ensemble called ``name``."""

    def act(case: Case) -> Picked:
        vlm = Counted(WorldVLM())
        chosen = ensemble(name, vlm).choose(case.scenario, case.pool.attempts())
        keys = [f"{number}.0" for number in range(len(case.pool.main))]
        scores = tuple(chosen.scores.get(key, float("nan")) for key in keys)
        cost = Cost.of_clips(case.budget, vlm.usage.calls, vlm.tokens)
        return Picked((chosen.pick.attempt,), cost, scores=scores if chosen.scores else ())

    return act


arm("consensus")(rule("consensus"))
