"""``python -m benchmarks.world {render,evaluate,table,verifier,drafts,pack,unpack}``.

    python -m benchmarks.world render --split held-out --scenes 96
    python -m benchmarks.world evaluate --split held-out --scenes 96 --budgets 4 8 16

Every command goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

from benchmarks.world import parallel, records, table
from benchmarks.world.arms import ARMS
from benchmarks.world.checks import draft_lines, verifier_rates
from benchmarks.world.critic import critic_lines, critic_row
from benchmarks.world.evaluating import Setup, evaluate, render_job
from benchmarks.world.measuring import figures
from benchmarks.world.pool import PoolFile, pack, unpack
from benchmarks.world.prompts import PROMPTS
from benchmarks.world.rendering import Renderer
from benchmarks.world.scenes import SPLITS, SceneId, choose_scenes, split_of

OWN_BUDGETS = (4,)


def render(asked: argparse.Namespace) -> None:
    """Render the pools, and unless told otherwise look at every clip."""
    began = time.monotonic()
    setup = setup_of(asked)
    jobs = [(setup, scene, renderer, not asked.no_figures)
            for renderer in renderers(asked) for scene in scenes_of(asked)]  # fmt: skip
    clips = sum(parallel.each(render_job, jobs, asked.workers))
    took = time.monotonic() - began
    print(f"{clips} clips of {len(jobs)} scene-generators are there; {took:.0f} s "
          f"on {asked.workers} processes, {asked.device}.")  # fmt: skip


def run(asked: argparse.Namespace) -> None:
    """Every arm on every scene that has no record yet, then the tables."""
    setup = setup_of(asked)
    path = asked.out / f"{asked.name}.jsonl"
    done = {record.key for record in records.load(path)}
    jobs = []
    for renderer in renderers(asked):
        for scene in scenes_of(asked):
            wanted = [
                (arm, budget) for arm, budget in wanted_arms(asked)
                if (scene.seed, renderer.key, setup.name, arm, budget) not in done
            ]  # fmt: skip
            if wanted:
                jobs.append((setup, scene, renderer, wanted))
    with records.open_for_more(path) as file:
        for found in parallel.each(evaluate, jobs, asked.workers):
            records.append(file, found)
    show(asked)


def wanted_arms(asked: argparse.Namespace) -> list[tuple[str, int]]:
    """(arm, budget) in the order of the table."""
    for name in asked.arms:
        if name not in ARMS:
            raise SystemExit(f"No arm {name!r}. There are: {'; '.join(ARMS)}.")
    names = asked.arms or [name for name, arm in ARMS.items() if asked.own or not arm.own]
    return [
        (name, budget)
        for budget in asked.budgets
        for name in names
        if budget
        in (ARMS[name].budgets or (asked.own_budgets if ARMS[name].own else asked.budgets))
    ]


def show(asked: argparse.Namespace) -> None:
    """Print the tables of a results file, and write them beside it as JSON and Markdown."""
    path = asked.out / f"{asked.name}.jsonl"
    scenes, order = {scene.seed for scene in scenes_of(asked)}, list(ARMS)
    setup = setup_of(asked)
    keys = {renderer.key for renderer in renderers(asked)}
    found = [
        record for record in records.load(path)
        if record.scene in scenes and record.generator in keys and record.pool == setup.name
        and record.arm in ARMS and record.budget in asked.budgets
    ]  # fmt: skip
    found.sort(key=lambda record: (order.index(record.arm), record.scene))
    data = table.tables(found, asked.against)
    first = min(scenes)
    title = f"Scenes {first} to {max(scenes)} ({split_of(first)}). Intervals: 95 % bootstrap over scenes."
    critics = critic_rows(asked)
    text = f"{title}\n{table.markdown(data)}\n{critic_lines(critics)}"
    print(text)
    path.with_suffix(".json").write_text(
        json.dumps({"scenes": title, "tables": data, "critic": critics}, indent=1) + "\n"
    )
    path.with_suffix(".md").write_text(text + "\n")


def critic_rows(asked: argparse.Namespace) -> dict[str, dict[str, object]]:
    """The critic's precision and recall on the clips of each generator."""
    setup, rows = setup_of(asked), {}
    for renderer in renderers(asked):
        known = [
            one for scene in scenes_of(asked)
            for one in figures(PoolFile.of(setup.root, scene, setup.prompt, renderer), setup.seeds)
        ]  # fmt: skip
        rows[f"{Path(renderer.variant).stem} {renderer.digest[:8]}"] = critic_row(known)
    return rows


def show_verifier(asked: argparse.Namespace) -> None:
    """What the critic passes of faults planted into real prefixes, and complains about unasked."""
    print(f"The critic on {asked.scenes} prefixes: {verifier_rates(scenes_of(asked))}.")


def show_drafts(asked: argparse.Namespace) -> None:
    """Whether drafts rank like finals, scene by scene."""
    for variant in asked.variants:
        for steps in asked.draft_steps:
            for line in draft_lines(scenes_of(asked), variant, steps):
                print(line, flush=True)


def setup_of(asked: argparse.Namespace) -> Setup:
    """The experiment that the options describe."""
    return Setup(asked.out, asked.prompts[0], tuple(asked.prompts), asked.noise_seed,
                 asked.noise_seeds, asked.draws)  # fmt: skip


def renderers(asked: argparse.Namespace) -> list[Renderer]:
    """One for each variant asked for."""
    return [Renderer(v, asked.steps, asked.guidance, asked.device) for v in asked.variants]


def scenes_of(asked: argparse.Namespace) -> list[SceneId]:
    """The scenes asked for."""
    first = SPLITS[asked.split].start + asked.skip if asked.scene_seed is None else asked.scene_seed
    return choose_scenes(first, asked.scenes)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.world", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--out", type=Path, default=Path("runs/world"))
    common.add_argument("--split", choices=SPLITS, default="tuning")
    common.add_argument("--skip", type=int, default=0, help="scenes of the split to pass over")
    common.add_argument("--scene-seed", type=int, help="first scene, instead of --split and --skip")
    common.add_argument("--scenes", type=int, default=96)
    common.add_argument("--variants", nargs="+", default=["truthful", "priors"],
                        help="shipped variants, or paths of .safetensors files")  # fmt: skip
    common.add_argument("--prompts", nargs="+", default=["all_cues", "plain"],
                        help=f"the first is the pool's: {', '.join(PROMPTS)}")  # fmt: skip
    common.add_argument("--noise-seed", type=int, default=0, help="first noise seed of the pool")
    common.add_argument("--noise-seeds", type=int, default=16)
    common.add_argument("--steps", type=int, default=8)
    common.add_argument("--guidance", type=float, default=1.5)
    common.add_argument("--draws", type=int, default=12, help="random subsets below a full pool")
    common.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    common.add_argument("--device", default="cpu", help="cpu or cuda, for render")
    rendering = commands.add_parser("render", parents=[common], help="render and measure pools")
    rendering.add_argument("--no-figures", action="store_true", help="render only")
    for name in ("evaluate", "table"):
        command = commands.add_parser(name, parents=[common], help="arms on scenes, and tables")
        command.add_argument("--name", default="results", help="of the results files in --out")
        command.add_argument("--arms", nargs="+", default=[], metavar="ARM", help="; ".join(ARMS))
        command.add_argument("--against", nargs="+", default=list(table.AGAINST), metavar="ARM",
                             help="arms from which differences are told")  # fmt: skip
        command.add_argument("--budgets", type=int, nargs="+", default=[4, 8, 16])
        command.add_argument("--own", action="store_true", help="also arms that render themselves")
        command.add_argument("--own-budgets", type=int, nargs="+", default=list(OWN_BUDGETS))
    commands.add_parser(
        "verifier", parents=[common], help="the critic on faults planted in prefixes"
    )
    drafting = commands.add_parser(
        "drafts", parents=[common], help="whether drafts rank like finals"
    )
    drafting.add_argument("--draft-steps", type=int, nargs="+", default=[2])
    packing = commands.add_parser("pack", help="pools as tar files for another machine")
    packing.add_argument("--out", type=Path, default=Path("runs/world"))
    packing.add_argument("--to", type=Path, required=True)
    packing.add_argument("--most-mib", type=float, default=15.5)
    unpacking = commands.add_parser("unpack", help="take packed pools")
    unpacking.add_argument("--out", type=Path, default=Path("runs/world"))
    unpacking.add_argument("shards", type=Path, nargs="+")
    return parser.parse_args()


def main() -> None:
    asked = parse()
    if asked.command == "pack":
        for path in pack(asked.out, asked.to, int(asked.most_mib * 2**20)):
            print(f"{path} {path.stat().st_size / 2**20:.1f} MiB")
        return
    if asked.command == "unpack":
        unpack(asked.out, asked.shards)
        return
    commands = {"render": render, "evaluate": run, "table": show, "verifier": show_verifier,
                "drafts": show_drafts}  # fmt: skip
    commands[asked.command](asked)


if __name__ == "__main__":
    main()
