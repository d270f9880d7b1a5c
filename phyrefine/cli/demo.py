"""``phyrefine demo``: the whole method on the embedded world, scored against the truth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from phyrefine._command_values import Count, Whole
from phyrefine._optional import require
from phyrefine.cli.asking.inputs import refuse_file
from phyrefine.types import Refinement

if TYPE_CHECKING:
    from phyrefine.cli.demo_scenes import Sample

DISCLAIMER = (
    "The embedded world demonstrates the mechanism; its numbers say nothing about large models.\n"
    "Scores are Physics-IQ-style, 0 to 100, against the true continuation, which no part of the "
    "loop sees."
)
KINDS = ("drop", "collision", "projectile", "incline", "pendulum", "magnet")


def demo(
    out: Path = Path("runs/demo"),
    *,
    scenes: Annotated[Count, Parameter(help="Scenes to refine.")] = 6,
    seed: Annotated[
        Whole, Parameter(help="First scene seed, of the held-out million.")
    ] = 1_000_000,
    variant: Annotated[
        Literal["truthful", "priors"], Parameter(help="Which embedded generator.")
    ] = "priors",
    loops: Annotated[Count, Parameter(help="Loops at the most.")] = 4,
    seeds: Annotated[Count, Parameter(help="Seeds per loop.")] = 1,
) -> int:
    """Run the loop end to end on small scenes: no GPU, key or download.

    The generator is a tiny learned video model, the VLM measures pixels, and the LLM selects
    sentences. It shows the mechanism; its results do not transfer to large models. By default half
    of what the generator learned is wrong physics, so that there is something to correct; the
    variant "truthful" learned right physics only, and plain descriptions are nearly as good as its
    best clips. Each scene is scored against what truly happens, which nothing in the loop can see.

    Parameters
    ----------
    out
        Run folder; the same command again finishes an interrupted run.
    """
    refuse_file(out)
    # Before what takes seconds to import, so that the wait has a name.
    print(f"Refining {scenes} small scenes; each takes a minute or so on two cores.", flush=True)
    require("torch", extra="demo", feature="The demo")
    require("pymunk", extra="demo", feature="The demo")
    from phyrefine import report
    from phyrefine.cli.demo_scenes import demo_scenes
    from phyrefine.cli.scorers import TRUE_SCORES
    from phyrefine.cli.telling.tables import console
    from phyrefine.refine.convergence import default_policy
    from phyrefine.refiner import SelfRefiner
    from phyrefine.types import Candidates

    screen = console()
    refiner = SelfRefiner(
        "world",
        "world",
        f"world:{variant}",
        convergence=default_policy(loops),
        candidates=Candidates(seeds=tuple(range(seeds))),
        run_dir=out,
        listeners=[_tick],
        progress=True,
    )
    samples = demo_scenes(KINDS, scenes, seed)
    refinements = refiner.refine_many([sample.scenario for sample in samples])
    screen.print(DISCLAIMER)
    rows = []
    for sample, refinement in zip(samples, refinements, strict=True):
        if refinement.attempts:
            rows.append((sample, refinement, _show(sample, refinement, out / "demo")))
        else:
            screen.print(f"{sample.scenario.name}: {refinement.reason}")
    kept = {str(sample.scenario.name): scores for sample, _, scores in rows}
    (out / TRUE_SCORES).write_text(json.dumps(kept, indent=2) + "\n", "utf-8")
    _summary([(refinement, scores) for _, refinement, scores in rows])
    page = report.write_gallery(
        [refinement for _, refinement, _ in rows],
        out / "demo" / "index.html",
        truths=[sample.take1 for sample, _, _ in rows],
        links=[f"{sample.scenario.name}/report.html" for sample, _, _ in rows],
    )
    screen.print(f"Run folder {out}. Open {page} in a browser; contact sheets lie beside it.")
    screen.print(f"Compare rules on these clips: phyrefine scorers {out}")
    return 0 if len(rows) == len(samples) else 1


def _tick(event: str, details: Mapping[str, Any]) -> None:
    """A line for each clip and each critique."""
    stages = {"generate": "clip", "critique": "critique"}
    if event == "call" and details["stage"] in stages:
        from tqdm.auto import tqdm

        took = f"{details['usage'].seconds:.1f} s"
        tqdm.write(f"  {details.get('scenario', '')}: {stages[details['stage']]}, {took}")


def _show(sample: Sample, refinement: Refinement, folder: Path) -> dict[str, float]:
    """Print and keep what became of one scene; gives the true score of every candidate."""
    from phyrefine import report
    from phyrefine.cli.demo_scenes import contact_sheet, true_scores
    from phyrefine.cli.telling.tables import console, refinement_table, verdict_line
    from phyrefine.video.writing.files import encode_png

    scores = true_scores(sample, refinement)
    cells = {key: f"{score:.1f}" for key, score in scores.items()}
    console().print(refinement_table(refinement, {"true score": cells}))
    console().print(verdict_line(refinement) + "\n")
    mine = folder / str(sample.scenario.name)
    mine.mkdir(parents=True, exist_ok=True)
    (mine / "contact_sheet.png").write_bytes(encode_png(contact_sheet(sample, refinement)))
    report.write(refinement, mine / "report.html", truth=sample.take1, true_scores=scores)
    return scores


def _summary(rows: list[tuple[Refinement, dict[str, float]]]) -> None:
    from rich.table import Table

    from phyrefine.cli.telling.tables import console
    from phyrefine.types import pick_key

    table = Table(title="All scenes: true scores")
    for title in ("scene", "plain description", "last loop", "chosen", "oracle", "stopped by"):
        table.add_column(title)
    totals = [0.0] * 4
    for refinement, scores in rows:
        assert refinement.choice is not None
        last = f"{len(refinement.attempts) - 1}.0"
        values = [scores["0.0"], scores[last], scores[pick_key(refinement.choice.pick)],
                  max(scores.values())]  # fmt: skip
        totals = [total + value for total, value in zip(totals, values, strict=True)]
        stop = refinement.stopped_by.replace("_", " ")
        table.add_row(refinement.scenario.name, *(f"{value:.1f}" for value in values), stop)
    if rows:
        table.add_section()
        table.add_row("mean", *(f"{total / len(rows):.1f}" for total in totals), "")
    console().print(table)
