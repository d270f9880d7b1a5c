"""``phyrefine demo``: the whole method on the embedded world, scored against the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from phyrefine._optional import require
from phyrefine.types import Refinement

KINDS = ("drop", "collision", "projectile", "incline", "pendulum", "magnet")


def demo(
    out: Path = Path("runs/demo"),
    *,
    scenes: Annotated[int, Parameter(help="Scenes to refine.")] = 6,
    seed: Annotated[int, Parameter(help="First scene seed, of the held-out million.")] = 1_000_000,
    variant: Annotated[
        Literal["truthful", "priors"], Parameter(help="Which embedded generator.")
    ] = "truthful",
    loops: Annotated[int, Parameter(help="Loops at the most.")] = 4,
    seeds: Annotated[int, Parameter(help="Seeds per loop.")] = 1,
) -> int:
    """Run the loop end to end on small scenes: no GPU, key or download.

    The generator is a tiny learned video model, the VLM measures pixels, the LLM extracts. It
    shows the mechanism and says nothing about large models. Each scene is scored against what
    truly happens, which nothing in the loop can see.

    Parameters
    ----------
    out
        Run folder; the same command again finishes an interrupted run.
    """
    require("torch", extra="demo", feature="The demo")
    require("pymunk", extra="demo", feature="The demo")
    from phyrefine import report
    from phyrefine.cli.demo_scenes import contact_sheet, demo_scenes, true_scores
    from phyrefine.cli.tables import console, refinement_table, verdict_line
    from phyrefine.refine.convergence import default_policy
    from phyrefine.refiner import SelfRefiner
    from phyrefine.types import Candidates
    from phyrefine.video.files import encode_png

    refiner = SelfRefiner(
        "world",
        "world",
        f"world:{variant}",
        convergence=default_policy(loops),
        candidates=Candidates(seeds=tuple(range(seeds))),
        run_dir=out,
        progress=True,
    )
    samples = demo_scenes(KINDS, scenes, seed)
    refinements = refiner.refine_many([sample.scenario for sample in samples])
    screen = console()
    screen.print(
        "The embedded world demonstrates the mechanism; its numbers say nothing about large "
        "models.\nScores are Physics-IQ-style, 0 to 100, against the true continuation, which no "
        "part of the loop sees."
    )
    rows: list[tuple[str, Refinement, dict[str, float]]] = []
    truths = {}
    for sample, refinement in zip(samples, refinements, strict=True):
        name = sample.scenario.name or "scene"
        if not refinement.attempts:
            screen.print(f"{name}: {refinement.reason}")
            continue
        scores = true_scores(sample, refinement)
        cells = {key: f"{score:.1f}" for key, score in scores.items()}
        screen.print(refinement_table(refinement, {"true score": cells}))
        screen.print(verdict_line(refinement) + "\n")
        folder = out / "demo" / name
        folder.mkdir(parents=True, exist_ok=True)
        sheet = contact_sheet(sample, refinement)
        (folder / "contact_sheet.png").write_bytes(encode_png(sheet))
        report.write(refinement, folder / "report.html", truth=sample.take1)
        rows.append((name, refinement, scores))
        truths[name] = sample.take1
    _summary(rows)
    page = report.write_gallery(
        [refined for _, refined, _ in rows],
        out / "demo" / "index.html",
        truths=[truths[name] for name, _, _ in rows],
        links=[f"{name}/report.html" for name, _, _ in rows],
    )
    screen.print(f"Run folder {out}. Open {page} in a browser; contact sheets lie beside it.")
    return 0 if len(rows) == len(samples) else 1


def _summary(rows: list[tuple[str, Refinement, dict[str, float]]]) -> None:
    from rich.table import Table

    from phyrefine.cli.tables import console
    from phyrefine.types import pick_key

    table = Table(title="All scenes: true scores")
    for title in ("scene", "plain description", "last loop", "chosen", "oracle", "stopped by"):
        table.add_column(title)
    totals = [0.0] * 4
    for name, refinement, scores in rows:
        assert refinement.choice is not None
        last = f"{len(refinement.attempts) - 1}.0"
        values = [scores["0.0"], scores[last], scores[pick_key(refinement.choice.pick)],
                  max(scores.values())]  # fmt: skip
        totals = [total + value for total, value in zip(totals, values, strict=True)]
        stop = refinement.verdicts[-1].rule if refinement.verdicts else refinement.stopped_by
        table.add_row(name, *(f"{value:.1f}" for value in values), stop)
    if rows:
        table.add_section()
        table.add_row("mean", *(f"{total / len(rows):.1f}" for total in totals), "")
    console().print(table)
