"""Does the loop help, and is it the feedback? On the embedded world, paired by scene.

    python benchmarks/world_experiment.py --scenes 96 --seeds 3 --scene-seed 1200000

Every arm makes clips of the same held-out scenes with the same noise seeds; scores are
Physics-IQ-style against the true continuation (``phyrefine.physics_iq.metrics.plain``), which no arm but
the oracle sees. Scene seeds from 1000000 on and the "held out" wordings were never trained on; the
critic's thresholds were set on scenes 1100000-1199999, so other scene seeds are fair.

Finished scenes are kept in ``--out``; the same command goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

KINDS = ("drop", "collision", "projectile", "incline", "pendulum")
SELECTORS = ("last", "critics_pick", "judge", "consensus", "random")
BOOTSTRAPS = 2000


# -- one scene under one noise seed ------------------------------------------------------------


def measure(kind: str, scene_seed: int, seed: int, variant: str, loops: int) -> dict[str, Any]:
    """Every arm of one scene and noise seed: scores, parts, words, violations."""
    from phyrefine.cli.demo_scenes import make_sample
    from phyrefine.refine.convergence import MaxLoops
    from phyrefine.refine.loop import Loop
    from phyrefine.run.store.store import MemoryStore
    from phyrefine.run.store.stored import StoredAsker, StoredGenerator
    from phyrefine.types import Attempt, Prompt
    from phyrefine.world.eye import WorldVLM
    from phyrefine.world.generator import WorldGenerator
    from phyrefine.world.rewriter import WorldLLM
    from phyrefine.world.truth.captions.captions import all_cues, filler_only

    store = MemoryStore()
    vlm = StoredAsker(WorldVLM(), store)
    generator = StoredGenerator(WorldGenerator(variant), store)
    sample = make_sample(kind, scene_seed)
    scenario = sample.scenario

    def loop(watcher: Any, writer: Any) -> Loop:
        return Loop(watcher, StoredAsker(writer, store), generator, MaxLoops(loops),
                    candidates=_candidates(seed))  # fmt: skip

    main = loop(vlm, WorldLLM())
    judge = Judging(sample)

    def renders(prompt: Prompt, seeds: Iterable[int]) -> list[Any]:
        return [main.render(prompt, scenario, steps=None, seed=s) for s in seeds]

    def clips(prompt: Prompt, seeds: Iterable[int]) -> list[dict[str, Any]]:
        return [judge.row(take.clip, prompt) for take in renders(prompt, seeds)]

    more = [seed + 1000 * number for number in range(loops)]
    plain = main.render(Prompt(scenario.description), scenario, steps=None, seed=seed)
    attempts = list(main.iterate(scenario))
    first = attempts[0].prompt
    samples = [
        Attempt(number, first, (take,), main.critique(take.clip, scenario, ()))
        for number, take in enumerate(renders(first, more), 1)
    ]
    rng = np.random.default_rng([scene_seed, seed])
    blind = loop(Blind(vlm, _another(kind, scene_seed, seed, generator)), WorldLLM())
    paraphrased = list(loop(vlm, WorldLLM("paraphrase")).iterate(scenario))
    rows: dict[str, Any] = {
        "plain": [judge.row(plain.clip, Prompt(scenario.description))],
        "reseed": clips(Prompt(scenario.description), more),
        "all_cues": [judge.row(a.clip, a.prompt, a.critique) for a in samples],
        "true_caption": clips(Prompt(all_cues(sample.scene, "held_out", rng)), [seed]),
        "filler": clips(Prompt(filler_only(sample.scene, 4, rng)), [seed]),
        "still": [judge.row(judge.still(), Prompt(""))],
        "loop": [judge.row(a.clip, a.prompt, a.critique) for a in attempts],
        "blind": [judge.row(a.clip, a.prompt, a.critique) for a in blind.iterate(scenario)],
        "paraphrase": [judge.row(a.clip, a.prompt, a.critique) for a in paraphrased],
    }
    critique = main.critique(plain.clip, scenario, ())
    rows["plain"][0] |= _found(critique)
    return {
        "kind": kind, "scene": scene_seed, "seed": seed, "variant": variant, "arms": rows,
        "picks": _picks(sample, vlm, plain, critique, attempts),
        "sample_picks": _picks(sample, vlm, plain, critique, samples),
        "stops": {"extractive": _stops(attempts), "paraphrasing": _stops(paraphrased)},
    }  # fmt: skip


def _candidates(seed: int) -> Any:
    from phyrefine.types import Candidates

    return Candidates(seeds=(seed,))


def _another(kind: str, scene_seed: int, seed: int, generator: Any) -> Any:
    """Prefix and continuation of another scene of the kind: what the blind critic watches."""
    from phyrefine.cli.demo_scenes import make_sample
    from phyrefine.refine.stages import critic_view
    from phyrefine.types import Prompt, Shot

    other = make_sample(kind, scene_seed + 50_000).scenario
    shot = Shot(Prompt(other.description), other.prefix, seconds=other.seconds, fps=other.fps,
                size=other.size, seed=seed)  # fmt: skip
    return critic_view(generator.generate(shot), other.prefix, 768)[0]


class Blind:
    """A critic that watches another video than the one it criticises."""

    def __init__(self, vlm: Any, other: Any) -> None:
        self.vlm, self.other = vlm, other
        self.identity = "blind"

    def ask(self, question: Any) -> Any:
        from attrs import evolve

        if question.stage == "critique":
            question = evolve(question, clips=(self.other,))
        return self.vlm.ask(question)


class Judging:
    """Scores against the truth of one scene."""

    def __init__(self, sample: Any) -> None:
        from phyrefine.world.truth.scenes import simulate
        from phyrefine.world.truth.training.evaluate import backdrop

        self.sample = sample
        self.background = backdrop(simulate(sample.scene, fps=8.0))

    def still(self) -> Any:
        """The prefix's last frame, held."""
        from phyrefine.video.clip import Clip

        truth = self.sample.take1
        frame = self.sample.scenario.prefix.frames[-1:]
        return Clip(np.repeat(frame, len(truth), axis=0), truth.fps)

    def row(self, clip: Any, prompt: Any, critique: Any = None) -> dict[str, Any]:
        from phyrefine.cli.demo_scenes import score_parts

        parts = score_parts(self.sample, clip)
        return {
            "score": parts.score, "spatial": parts.spatial_iou, "temporal": parts.spatiotemporal_iou,
            "weighted": parts.weighted_spatial_iou, "mse": parts.mse, "words": prompt.words,
            "wrong": self.truly_wrong(clip), **_found(critique),
        }  # fmt: skip

    def truly_wrong(self, clip: Any) -> bool:
        """By the truth: the objects' places overlap less than half as well as a second take's,
        or what should be there at the end is gone.
        """
        from phyrefine.world.truth.training.evaluate import measure as against

        scene, background = self.sample.scene, self.background
        takes = [np.asarray(take.frames) for take in (self.sample.take1, self.sample.take2)]
        made = clip.as_made.frames[: len(takes[0])]
        mine = against(scene, made, takes[0], background)
        other = against(scene, takes[1], takes[0], background)
        gone = mine.permanence == 0 and other.permanence != 0
        return bool(mine.spatial_iou < 0.5 * other.spatial_iou or gone)


def _found(critique: Any) -> dict[str, Any]:
    if critique is None:
        return {}
    return {"violations": len(critique.violations), "severity": critique.severity,
            "fixed": len(critique.fixed)}  # fmt: skip


def _picks(
    sample: Any, vlm: Any, plain: Any, critique: Any, attempts: Sequence[Any]
) -> dict[str, str]:
    from phyrefine.cli.demo_scenes import true_score
    from phyrefine.select.named import ensemble
    from phyrefine.select.oracle import Oracle
    from phyrefine.types import Attempt, Prompt, pick_key

    base = Attempt(0, Prompt(sample.scenario.description), (plain,), critique, baseline=True)
    pool = [base, *attempts]
    chosen = {name: ensemble(name, vlm).choose(sample.scenario, pool) for name in SELECTORS}
    chosen["oracle"] = Oracle(lambda _, clip: true_score(sample, clip)).choose(
        sample.scenario, pool
    )
    return {name: pick_key(choice.pick) for name, choice in chosen.items()}


def _stops(attempts: Sequence[Any]) -> dict[str, int | None]:
    """Loops after which each rule stops; ``None`` if it did not."""
    from phyrefine.refine import convergence as rules

    policies = {"same_prompt": rules.SamePrompt(), "near_prompt": rules.NearPrompt(),
                "clean": rules.Clean(), "cycle": rules.Cycle(), "bloat": rules.Bloat(),
                "default": rules.default_policy(99)}  # fmt: skip
    stops = {}
    for name, policy in policies.items():
        said = rules.replay(policy, attempts)
        stops[name] = len(said) if said[-1].stop else None
    return stops


# -- the table ---------------------------------------------------------------------------------


def interval(values: Sequence[float], scenes: Sequence[int]) -> tuple[float, float, float]:
    """Mean and 95 % bootstrap interval over scenes (noise seeds averaged within a scene)."""
    by_scene: dict[int, list[float]] = {}
    for scene, value in zip(scenes, values, strict=True):
        by_scene.setdefault(scene, []).append(value)
    means = np.array([statistics.fmean(found) for found in by_scene.values()])
    rng = np.random.default_rng(0)
    drawn = means[rng.integers(0, len(means), (BOOTSTRAPS, len(means)))].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(means.mean()), float(low), float(high)


def arms(loops: int) -> dict[str, Callable[[dict], list[dict]]]:
    """Each column of the table: the clips it averages over, per record."""
    table: dict[str, Callable[[dict], list[dict]]] = {
        "plain description": lambda r: r["arms"]["plain"],
        "all-cues control, mean of its samples": lambda r: r["arms"]["all_cues"],
        "re-seed control, mean of its samples": lambda r: r["arms"]["reseed"],
    }
    for index in range(loops):
        table[f"loop {index + 1}"] = lambda r, i=index: [r["arms"]["loop"][i]]
    for name, title in (
        ("blind", "blind critic, last loop"),
        ("paraphrase", "paraphrasing rewriter, last loop"),
    ):
        table[title] = lambda r, n=name: [r["arms"][n][-1]]
    for name, title in (("filler", "filler text"), ("still", "still clip"),
                        ("true_caption", "true caption, held-out wording (GROUND TRUTH)")):  # fmt: skip
        table[title] = lambda r, n=name: r["arms"][n]
    for name in (*SELECTORS, "oracle"):
        label = "oracle (GROUND TRUTH)" if name == "oracle" else name
        table[f"pick from plain + loops: {label}"] = lambda r, n=name: [_picked(r, n)]
    for name in ("critics_pick", "judge"):
        table[f"pick from plain + all-cues samples: {name}"] = lambda r, n=name: [
            _picked(r, n, "sample_picks", "all_cues")
        ]
    for name, title in (("reseed", "re-seed"), ("all_cues", "all-cues")):
        table[f"{title}, best of its samples (GROUND TRUTH)"] = lambda r, n=name: [
            max(r["arms"]["plain"] + r["arms"][n], key=lambda clip: clip["score"])
        ]
    return table


def _picked(
    record: dict[str, Any], selector: str, picks: str = "picks", arm: str = "loop"
) -> dict[str, Any]:
    attempt = int(record[picks][selector].partition(".")[0])
    pool = record["arms"]["plain"] + record["arms"][arm]
    return pool[attempt]


def print_table(records: Sequence[dict[str, Any]], loops: int) -> None:
    scenes = [r["scene"] for r in records]
    print(
        "| arm | score [95 %] | against plain [95 %] | spatial | temporal | weighted | MSE | violations | words |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    plain = [r["arms"]["plain"][0]["score"] for r in records]
    for title, clips in arms(loops).items():
        rows = [clips(r) for r in records]

        def mean(key: str, rows: list = rows) -> list[float]:
            return [statistics.fmean(clip.get(key, float("nan")) for clip in row) for row in rows]

        score = mean("score")
        difference = [one - other for one, other in zip(score, plain, strict=True)]
        cells = [_interval(score, scenes), _interval(difference, scenes, signed=True)]
        cells += [
            f"{statistics.fmean(mean(key)):.3f}" for key in ("spatial", "temporal", "weighted")
        ]
        found = statistics.fmean(mean("violations"))
        cells += [f"{statistics.fmean(mean('mse')):.4f}", "-" if found != found else f"{found:.2f}",
                  f"{statistics.fmean(mean('words')):.0f}"]  # fmt: skip
        print(f"| {title} | {' | '.join(cells)} |")


def _interval(values: Sequence[float], scenes: Sequence[int], *, signed: bool = False) -> str:
    mean, low, high = interval(values, scenes)
    sign = "+" if signed else ""
    return f"{mean:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"


def print_steps(records: Sequence[dict[str, Any]], loops: int) -> None:
    """Loop n minus loop n-1, and the comparisons that decide what the feedback is worth."""
    scenes = [r["scene"] for r in records]

    def score(arm: str, index: int) -> list[float]:
        return [r["arms"][arm][index]["score"] for r in records]

    pairs = {
        f"loop {i + 1} - loop {i}": (score("loop", i), score("loop", i - 1))
        for i in range(1, loops)
    }
    cued = [statistics.fmean(c["score"] for c in r["arms"]["all_cues"]) for r in records]
    pairs["loop 1 - plain"] = (score("loop", 0), score("plain", 0))
    pairs["last loop - all-cues control"] = (score("loop", -1), cued)
    pairs["last loop - blind critic"] = (score("loop", -1), score("blind", -1))
    pairs["last loop - filler text"] = (score("loop", -1), score("filler", 0))
    judged = [_picked(r, "judge")["score"] for r in records]
    pairs["judge's pick - all-cues control"] = (judged, cued)
    sampled = [_picked(r, "judge", "sample_picks", "all_cues")["score"] for r in records]
    pairs["judge's pick - judge's pick of equal all-cues samples"] = (judged, sampled)
    drawn = [_picked(r, "random")["score"] for r in records]
    pairs["judge's pick - random pick"] = (judged, drawn)
    print("\n| difference | points [95 %] |\n|---|---|")
    for title, (one, other) in pairs.items():
        difference = [a - b for a, b in zip(one, other, strict=True)]
        print(f"| {title} | {_interval(difference, scenes, signed=True)} |")


def print_repairs(records: Sequence[dict[str, Any]]) -> None:
    """Of the first clips that are truly wrong: how often each second try is right."""
    broken = [r["arms"] for r in records if r["arms"]["loop"][0]["wrong"]]
    tries: dict[str, Callable[[dict], list[dict]]] = {
        "loop 2 (revised prompt, same noise)": lambda a: a["loop"][1:2],
        "last loop (revised prompt, same noise)": lambda a: a["loop"][-1:],
        "blind critic, last loop (same noise)": lambda a: a["blind"][-1:],
        "true caption, held-out wording (same noise)": lambda a: a["true_caption"],
        "plain description (same noise)": lambda a: a["plain"],
        "the first prompt again, other noise": lambda a: a["all_cues"][1:],
    }
    print(f"\n| second try for the {len(broken)} of {len(records)} first clips that are truly "
          "wrong | right |\n|---|---|")  # fmt: skip
    for title, clips in tries.items():
        right = [not clip["wrong"] for arms_ in broken for clip in clips(arms_)]
        print(f"| {title} | {sum(right) / max(1, len(right)):.0%} |")


def print_critic(records: Sequence[dict[str, Any]]) -> None:
    """Whether the critic's 'something is wrong' agrees with the truth."""
    clips = [clip for r in records for arm in ("plain", "loop") for clip in r["arms"][arm]
             if "violations" in clip]  # fmt: skip
    said = [clip["violations"] > 0 for clip in clips]
    wrong = [clip["wrong"] for clip in clips]
    hits = sum(a and b for a, b in zip(said, wrong, strict=True))
    print(f"\nCritic on {len(clips)} clips, {sum(wrong)} of them truly wrong: "
          f"precision {hits / max(1, sum(said)):.2f}, recall {hits / max(1, sum(wrong)):.2f}; "
          f"it complains about {sum(said) / len(said):.0%} of all.")  # fmt: skip


def print_stops(records: Sequence[dict[str, Any]], loops: int) -> None:
    print("\n| rule | extractive: stops in | mean loops | paraphrasing: stops in | mean loops |")
    print("|---|---|---|---|---|")
    for rule in records[0]["stops"]["extractive"]:
        cells = []
        for writer in ("extractive", "paraphrasing"):
            stops = [r["stops"][writer][rule] for r in records]
            stopped = [stop for stop in stops if stop is not None]
            cells += [f"{len(stopped) / len(stops):.0%}",
                      f"{statistics.fmean(s or loops for s in stops):.2f}"]  # fmt: skip
        print(f"| {rule} | {' | '.join(cells)} |")


# -- doing it ----------------------------------------------------------------------------------


def jobs(arguments: argparse.Namespace, done: set[tuple]) -> list[tuple]:
    every = [
        (KINDS[number % len(KINDS)], arguments.scene_seed + number, seed, variant, arguments.loops)
        for variant in arguments.variants
        for seed in range(arguments.seeds)
        for number in range(arguments.scenes)
    ]
    return [job for job in every if job[1:4] not in done]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=96)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scene-seed", type=int, default=1_200_000)
    parser.add_argument("--loops", type=int, default=3)
    parser.add_argument("--variants", nargs="+", default=["truthful", "priors"])
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=Path("runs/world_experiment.jsonl"))
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    records = [json.loads(line) for line in _lines(arguments.out)]
    done = {(r["scene"], r["seed"], r["variant"]) for r in records}
    todo = jobs(arguments, done)
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    context = multiprocessing.get_context("spawn")
    with (
        concurrent.futures.ProcessPoolExecutor(arguments.workers, mp_context=context) as pool,
        arguments.out.open("a", encoding="utf-8") as file,
    ):
        running = [pool.submit(measure, *job) for job in todo]
        for count, future in enumerate(concurrent.futures.as_completed(running), 1):
            records.append(future.result())
            file.write(json.dumps(records[-1]) + "\n")
            file.flush()
            if count % 20 == 0:
                print(f"{count} of {len(todo)} after {time.monotonic() - begun:.0f} s", flush=True)
    print(f"\n{len(todo)} scene-seeds measured in {time.monotonic() - begun:.0f} s on "
          f"{arguments.workers} processes; {arguments.scenes} scenes from seed "
          f"{arguments.scene_seed}, {arguments.seeds} noise seeds, {arguments.loops} loops.")  # fmt: skip
    for variant in arguments.variants:
        mine = [r for r in records if r["variant"] == variant]
        if mine:
            print(f"\n## Generator variant: {variant}\n")
            print_table(mine, arguments.loops)
            print_steps(mine, arguments.loops)
            print_repairs(mine)
            print_critic(mine)
            print_stops(mine, arguments.loops)


def _lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.endswith("}")]


if __name__ == "__main__":
    main()
