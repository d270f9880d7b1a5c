"""Is a loop worth more if every loop draws noise of its own? On the embedded world, paired.

    python benchmarks/redraw.py --scenes 60 --scene-seed 1400000

Per scene: the plain description, a loop with the same noise in every loop, one with noise of its
own in every loop (``Candidates(redraw=True)``), and the first prompt again with that noise but
without feedback. The judge picks from the plain description's clip and each set of equal size;
"first clean" is the first clip in which the critic finds nothing, else the last one.
Scores are Physics-IQ-style against the true continuation.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import multiprocessing
import os
import statistics
from typing import Any

from world_experiment import KINDS, interval

ARMS = ("same noise", "noise of its own", "no feedback, noise of its own")


def measure(kind: str, scene_seed: int, variant: str, loops: int) -> dict[str, Any]:
    """True scores of one scene: each arm's clips and the judge's pick."""
    from phyrefine.cli.demo_scenes import make_sample, true_score
    from phyrefine.refine.convergence import MaxLoops
    from phyrefine.refine.loop import Loop
    from phyrefine.run.store.store import MemoryStore
    from phyrefine.run.store.stored import StoredAsker, StoredGenerator
    from phyrefine.select.named import ensemble
    from phyrefine.types import Attempt, Candidates, Prompt
    from phyrefine.world.eye import WorldVLM
    from phyrefine.world.generator import WorldGenerator
    from phyrefine.world.rewriter import WorldLLM

    store = MemoryStore()
    vlm, llm = StoredAsker(WorldVLM(), store), StoredAsker(WorldLLM(), store)
    generator = StoredGenerator(WorldGenerator(variant), store)
    sample = make_sample(kind, scene_seed)
    scenario = sample.scenario
    redrawn = Candidates(redraw=True)
    same, own = (
        Loop(vlm, llm, generator, MaxLoops(loops), candidates=candidates)
        for candidates in (Candidates(), redrawn)
    )

    def attempt(index: int, prompt: Prompt) -> Attempt:
        made = own.generate(prompt, scenario, index)
        critique = own.critique(made[0].clip, scenario, ())
        return Attempt(index, prompt, made, critique, baseline=index == 0)

    plain = attempt(0, Prompt(scenario.description))
    pools = [list(same.iterate(scenario)), list(own.iterate(scenario))]
    first = pools[0][0].prompt
    pools.append([attempt(number, first) for number in range(1, loops + 1)])
    record: dict[str, Any] = {"scene": scene_seed, "plain": true_score(sample, plain.clip)}
    for arm, pool in zip(ARMS, pools, strict=True):
        chosen = ensemble("judge", vlm).choose(scenario, [plain, *pool]).pick.attempt
        record[arm] = [true_score(sample, made.clip) for made in pool]
        clean = (n for n, made in enumerate(pool) if made.critique and not made.critique.violations)
        record[f"{arm}: clean"] = record[arm][next(clean, len(pool) - 1)]
        record[f"{arm}: judge"] = [record["plain"], *record[arm]][chosen]
    return record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--scene-seed", type=int, default=1_400_000)
    parser.add_argument("--loops", type=int, default=3)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(asked.workers, mp_context=context) as pool:
        for variant in ("truthful", "priors"):
            jobs = [
                pool.submit(measure, KINDS[n % 5], asked.scene_seed + n, variant, asked.loops)
                for n in range(asked.scenes)
            ]
            show(variant, [job.result() for job in jobs])


def show(variant: str, records: list[dict[str, Any]]) -> None:
    scenes = [record["scene"] for record in records]

    def cell(values: list[float]) -> str:
        return "{:.1f} [{:.1f}, {:.1f}]".format(*interval(values, scenes))

    plain = cell([record["plain"] for record in records])
    print(f"\n## {variant}: {len(records)} scenes, plain description {plain}\n")
    print(
        "| arm | mean of its clips | last clip | first clean | judge's pick | best of plain and its clips (GROUND TRUTH) |"
    )
    print("|---|---|---|---|---|---|")
    for arm in ARMS:
        cells = [
            cell([statistics.fmean(record[arm]) for record in records]),
            cell([record[arm][-1] for record in records]),
            cell([record[f"{arm}: clean"] for record in records]),
            cell([record[f"{arm}: judge"] for record in records]),
            cell([max(record["plain"], *record[arm]) for record in records]),
        ]
        print(f"| {arm} | {' | '.join(cells)} |")
    same, own, bare = (f"{arm}: judge" for arm in ARMS)
    for one, other in ((own, same), (own, bare)):
        print(f"{one} - {other}: {cell([r[one] - r[other] for r in records])}", flush=True)


if __name__ == "__main__":
    main()
