"""Arms on scenes: draws from the pool, what each arm chose, what that was worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from attrs import evolve, frozen

from benchmarks.world.arms.registry import (
    ARMS,
    Arm,
    Case,
    Cost,
    Made,
    Picked,
    PoolView,
    Row,
)
from benchmarks.world.measuring import amount_of_motion, figures
from benchmarks.world.pool import PoolFile
from benchmarks.world.records import Record
from benchmarks.world.rendering import Renderer
from benchmarks.world.scenes import SceneId
from benchmarks.world.truth import Truth, hold_against_truth
from phyrefine.select.diagnostics import rank_correlation


@frozen
class Setup:
    """What an experiment is, apart from scenes and arms.

    Attributes:
        root: Folder of pools and results.
        prompt: The prompt whose clips pool arms choose from.
        prompts: All prompts of the pool.
        noise: First noise seed.
        size: Noise seeds of the pool.
        draws: Random subsets of a pool at budgets below its size.
    """

    root: Path
    prompt: str = "all_cues"
    prompts: tuple[str, ...] = ("all_cues", "plain")
    noise: int = 0
    size: int = 16
    draws: int = 12

    @property
    def name(self) -> str:
        """As in records."""
        return f"{self.prompt} {self.noise}+{self.size} x{self.draws}"

    @property
    def seeds(self) -> range:
        return range(self.noise, self.noise + self.size)


@frozen
class Scored:
    """A clip's worth, and what the controls look at."""

    truth: Truth
    motion: float

    def values(self) -> dict[str, float]:
        return {"score": self.truth.score, "spatial": self.truth.spatial,
                "temporal": self.truth.temporal, "weighted": self.truth.weighted,
                "mse": self.truth.mse, "wrong": float(self.truth.wrong),
                "motion": self.motion}  # fmt: skip


def render_job(setup: Setup, scene: SceneId, renderer: Renderer, look: bool) -> int:
    """The pool of one scene; the number of its clips."""
    for name in setup.prompts:
        file = PoolFile.of(setup.root, scene, name, renderer)
        file.clips(setup.seeds)
        if look:
            figures(file, setup.seeds)
    return len(setup.prompts) * setup.size


def load_pool(setup: Setup, scene: SceneId, renderer: Renderer) -> PoolView:
    """The whole pool of a scene, with the truth; rendered and measured where it is missing."""
    said, rows = {}, {}
    for name in setup.prompts:
        file = PoolFile.of(setup.root, scene, name, renderer)
        clips = file.clips(setup.seeds)
        known = figures(file, setup.seeds)
        said[name] = file.prompt
        rows[name] = [
            Row(one.seed, clip, one.seen, one.truth) for one, clip in zip(known, clips, strict=True)
        ]
    return PoolView(setup.prompt, said, rows)


def evaluate(setup: Setup, scene: SceneId, renderer: Renderer,
             wanted: Sequence[tuple[str, int]]) -> list[Record]:  # fmt: skip
    """One record for each wanted (arm, budget) of a scene."""
    pool = load_pool(setup, scene, renderer)
    return [run_arm(setup, scene, renderer, pool, ARMS[name], budget) for name, budget in wanted]


def run_arm(setup: Setup, scene: SceneId, renderer: Renderer, pool: PoolView,
            arm: Arm, budget: int) -> Record:  # fmt: skip
    """An arm on every draw of a budget; its values are means over the draws."""
    draws = 1 if arm.own or budget >= setup.size else setup.draws
    rows = []
    for draw in range(draws):
        whole = subset(pool, drawn(setup, scene, budget, draw))
        view = whole if arm.truth else without_truth(whole)
        case = Case(scene, view, budget, scene.rng(7, budget, draw), renderer, setup.noise)
        rows.append(worth(scene, whole, arm.act(case)))
    values = means(rows)
    return Record(scene.seed, scene.kind, Path(renderer.variant).stem, renderer.key, setup.name,
                  arm.name, budget, values)  # fmt: skip


def means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each value over the draws that have it; a value that none has is left out."""
    found = {
        name: [row[name] for row in rows if np.isfinite(row[name])] for name in rows[0]
    }  # fmt: skip
    return {name: float(np.mean(values)) for name, values in found.items() if values}


def drawn(setup: Setup, scene: SceneId, budget: int, draw: int) -> list[int]:
    """Positions of a random subset: the same for every arm, so that arms are paired by draw."""
    if budget > setup.size:
        raise SystemExit(
            f"A budget of {budget} needs as many noise seeds; the pool has {setup.size}."
        )
    if budget == setup.size:
        return list(range(setup.size))
    order = scene.rng(8, setup.noise, budget, draw).permutation(setup.size)
    return sorted(int(number) for number in order[:budget])


def subset(pool: PoolView, numbers: Sequence[int]) -> PoolView:
    """The same clips of every prompt."""
    return evolve(pool, rows={k: [rows[n] for n in numbers] for k, rows in pool.rows.items()})


def without_truth(pool: PoolView) -> PoolView:
    """What an arm that is no bound may see."""
    hidden: Mapping[str, Sequence[Row]] = {
        name: [evolve(row, truth=None) for row in rows] for name, rows in pool.rows.items()
    }
    return evolve(pool, rows=hidden)


def worth(scene: SceneId, pool: PoolView, said: Picked | Made) -> dict[str, float]:
    """What an answer is worth, what it cost, and how its scores rank the clips."""
    if isinstance(said, Made):
        values = score_clip(scene, said).values()
        if said.first is not None:
            first = hold_against_truth(scene, said.first)
            values["first_wrong"] = float(first.wrong)
        return values | _costs(said.cost) | {"words": float(said.words)}
    name = said.prompt or pool.prompt
    rows = pool.of(name)
    scored = [Scored(_truth(row), row.seen.motion).values() for row in rows]
    picked = [scored[number] for number in said.numbers]
    values = {key: float(np.mean([one[key] for one in picked])) for key in scored[0]}
    if said.scores:
        truth = [one["score"] for one in scored]
        told = [(s, t) for s, t in zip(said.scores, truth, strict=True) if np.isfinite(s)]
        rho = rank_correlation(*zip(*told, strict=True)) if len(told) > 1 else None
        values["rank_correlation"] = float("nan") if rho is None else rho
    return values | _costs(said.cost) | {"words": float(pool.said[name].words)}


def score_clip(scene: SceneId, said: Made) -> Scored:
    """A clip that the arm made itself."""
    return Scored(hold_against_truth(scene, said.clip), amount_of_motion(said.clip))


def _truth(row: Row) -> Truth:
    assert row.truth is not None
    return row.truth


def _costs(cost: Cost) -> dict[str, float]:
    return {"clips": cost.clips, "chunks": cost.chunks, "calls": cost.calls, "tokens": cost.tokens}
