"""``phyrefine run``: refine one's own videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from phyrefine._command_values import (
    Count,
    Rate,
    Seconds,
    Seeds,
    Size,
    Steps,
    Text,
)
from phyrefine.cli.asking.inputs import VIDEO_HELP, folder_for, scenario_of
from phyrefine.cli.asking.judges import check_rules
from phyrefine.cli.asking.limits import NO_LIMIT, LimitFlags
from phyrefine.cli.asking.refusals import (
    refuse_beside_best_of,
    refuse_beside_paper,
)
from phyrefine.cli.asking.searching import NO_SEARCH, SearchFlags
from phyrefine.cli.asking.settings import Settings
from phyrefine.run.estimating.flags import NOT_DRY, DryRunFlags
from phyrefine.select.named import DEFAULT_ENSEMBLE
from phyrefine.tracking.flags import Track, tracked
from phyrefine.types import Scenario

if TYPE_CHECKING:
    from phyrefine.refiner import SelfRefiner

Options = Annotated[
    tuple[str, ...],
    Parameter(help="key=value; repeatable. See: phyrefine backends NAME.", negative=""),
]

INSTEAD = (
    "These are the defaults. For videos of your own pass models: --vlm, --llm and --generator, for "
    "example --vlm gemini --llm openai --generator diffusers:THUDM/CogVideoX-5b-I2V."
)


def run(
    video: Annotated[Path | None, Parameter(help=VIDEO_HELP)] = None,
    *,
    description: Annotated[Text, Parameter(name=["--description", "-d"])],
    vlm: str = "world",
    llm: str = "world",
    generator: str = "world",
    vlm_option: Options = (),
    llm_option: Options = (),
    generator_option: Options = (),
    out: Path | None = None,
    prefix_seconds: Annotated[Seconds, Parameter(help="How much of VIDEO's end to use.")] = 3.0,
    seconds: Annotated[Seconds, Parameter(help="Length of the continuation.")] = 5.0,
    fps: Annotated[
        Rate | None,
        Parameter(help="Frames per second of the result; VIDEO's, at most 30, by default."),
    ] = None,
    size: Annotated[
        Size | None,
        Parameter(
            help="Height and width of the result; VIDEO's by default, its shorter side at most 720."
        ),
    ] = None,
    loops: Annotated[Count, Parameter(help="Loops at the most.")] = 4,
    steps: Annotated[
        Steps | None, Parameter(help="Denoising steps to try: 16,32 or 16 32.", show_default=False)
    ] = None,
    seeds: Annotated[
        Seeds | None,
        Parameter(help="Seeds to try in every loop: 0,1 or 0 1; 0 by default.", show_default=False),
    ] = None,
    chain: Literal["own", "rerender"] | None = None,
    redraw: Annotated[bool, Parameter(help="Draw new noise in every loop.")] = False,
    ensemble: Text | None = None,
    best_of: Annotated[
        Count | None, Parameter(help="Make this many clips of the first prompt; no critic.")
    ] = None,
    adaptive: Annotated[
        bool, Parameter(help="Stop adding clips when a better one is unlikely.")
    ] = False,
    baseline: Annotated[
        bool | None, Parameter(help="Let the plain description's clip compete; it does by default.")
    ] = None,
    paper: Annotated[bool, Parameter(help="The paper's method, verbatim.")] = False,
    searching: SearchFlags = NO_SEARCH,
    limits: LimitFlags = NO_LIMIT,
    track: Track = None,
    what_if: DryRunFlags = NOT_DRY,
) -> int:
    """Continue a video so that it obeys physics.

    The last PREFIX_SECONDS of VIDEO are continued for SECONDS. Without VIDEO the scene is made
    from the description alone. The run folder OUT keeps everything: the same command again
    finishes an interrupted run and pays for nothing twice.

    Parameters
    ----------
    description
        One line about the scene.
    vlm
        Backend that watches: NAME or NAME:MODEL, for example gemini or transformers:PATH, or a
        function or class of your own, package.module:factory.
    llm
        Backend that rewrites.
    generator
        Backend that generates, for example diffusers:PATH or magi:PATH.
    out
        Run folder; by default runs/NAME-DIGEST, one for each video, description and length.
    chain
        own: every step count has its own loop; rerender (the default): one loop, re-rendered.
    ensemble
        consensus by default. Names: consensus, judge, tested_judge, questions, tournament,
        bradley_terry, kinematics, motion_quality, vjepa2, critics_pick, last or random; several
        joined by + (ranks are summed, *2 gives a weight) or
        by > (each halves the pool); @1 at the end sets the motion guard's share.
    """
    from phyrefine.options import join_options

    excluded: dict[str, object] = {
        "--seeds": seeds,
        "--chain": chain,
        "--redraw": redraw or None,
        "--ensemble": ensemble,
        "--best-of": best_of,
        "--adaptive": adaptive or None,
        "--baseline": baseline,
        "several --steps": len(steps or ()) > 1 or None,
        **searching.given,
    }
    if paper:
        refuse_beside_paper(excluded)
    if best_of is not None:
        refuse_beside_best_of(seeds, steps, searching.watch)
    check_rules([ensemble] if ensemble is not None else [])
    searching.check()
    scenario = scenario_of(video, description, prefix_seconds, seconds, fps, size)
    out = folder_for(scenario, out)
    backends = (
        join_options(vlm, vlm_option),
        join_options(llm, llm_option),
        join_options(generator, generator_option),
    )
    how = Settings(
        backends, out, limits.budget, loops, steps or (), seeds or (), chain or "rerender", redraw,
        ensemble or DEFAULT_ENSEMBLE, best_of, adaptive, baseline is not False, paper,
        searching,
    )  # fmt: skip
    how.check()
    if what_if.dry_run:
        return _tell_cost(scenario, how, what_if)
    with tracked(track) as listeners:
        return _show(how.refiner(listeners=listeners), scenario, how)


def _tell_cost(scenario: Scenario, how: Settings, what_if: DryRunFlags) -> int:
    """Print what the run would take."""
    from phyrefine.cli.telling.tables import console
    from phyrefine.run.estimating.left import finished_in

    rates, refiner = what_if.rates(how.out, how.backends), how.refiner(dry=True)
    finished = finished_in(how.out, [scenario], refiner.convergence)
    estimate = what_if.estimate(refiner.cost(), rates, scenarios=1, finished=len(finished))
    screen = console()
    told = ("Dry run: nothing is made and nothing is paid for.", *estimate.lines())
    for line in (*told, *how.searching.uncounted):
        screen.print(line, markup=False, highlight=False)
    return 0


def _show(refiner: SelfRefiner, scenario: Scenario, how: Settings) -> int:
    """Refine, print and write what came out; gives the exit code."""
    from phyrefine import report
    from phyrefine.cli import INTERRUPTED, STOPPED_EARLY
    from phyrefine.cli.telling.tables import (
        console,
        disclaimer_lines,
        refinement_table,
        verdict_line,
    )
    from phyrefine.run import endings

    screen = console()
    screen.print(f"This run takes {refiner.cost() or 'as long as its convergence rule says'}.")
    for line in how.searching.uncounted:
        screen.print(line, markup=False)
    if how.searching.check_draft:
        screen.print(f"Checked: {refiner.check_draft(scenario)}.", markup=False)
    refinement = refiner.refine(scenario)
    screen.print(refinement_table(refinement))
    screen.print(verdict_line(refinement))
    for line in disclaimer_lines(refinement):
        screen.print(line)
    if refinement.disclaimers and set(how.backends) == {"world"}:
        screen.print(INSTEAD)
    result = refinement.video.write(how.out / "result.mp4")
    page = report.write(refinement, how.out / "report.html")
    screen.print(f"Wrote {result} and {page}.")
    if refinement.stopped_by == endings.INTERRUPTED:
        screen.print("Interrupted. Run the same command again to go on.")
        return INTERRUPTED
    return 0 if endings.finished(refinement) else STOPPED_EARLY
