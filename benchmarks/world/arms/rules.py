"""The library's own ensembles as arms; each runs on the clips of the draw."""

from __future__ import annotations

import functools

from benchmarks.world.arms.counting import Counted
from benchmarks.world.arms.registry import Act, Case, Cost, Picked, arm
from benchmarks.world.scenes import SceneId
from phyrefine.run.store.store import MemoryStore
from phyrefine.run.store.stored import StoredAsker
from phyrefine.select.named import ensemble
from phyrefine.world.eye import WorldVLM


@functools.lru_cache(maxsize=2)
def _store(_scene: SceneId, _key: str) -> MemoryStore:
    """One for each scene and generator: a clip is looked at once, however many draws hold it."""
    return MemoryStore()


def rule(name: str) -> Act:
    """An arm that chooses by the ensemble called ``name``."""

    def act(case: Case) -> Picked:
        vlm = Counted(StoredAsker(WorldVLM(), _store(case.scene, case.renderer.key)))
        chosen = ensemble(name, vlm).choose(case.scenario, case.pool.attempts())
        keys = [f"{number}.0" for number in range(len(case.pool.main))]
        scores = tuple(chosen.scores.get(key, float("nan")) for key in keys)
        cost = Cost.of_clips(case.budget, vlm.usage.calls, vlm.tokens)
        return Picked((chosen.pick.attempt,), cost, scores=scores if chosen.scores else ())

    return act


arm("consensus")(rule("consensus"))
