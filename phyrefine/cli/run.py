"""``phyrefine run``: refine one's own videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from phyrefine.errors import InvalidInputError
from phyrefine.select.named import DEFAULT_ENSEMBLE
from phyrefine.types import Scenario

Options = Annotated[
    tuple[str, ...],
    Parameter(help="key=value; repeatable. See: phyrefine backends NAME.", negative=""),
]

INSTEAD = (
    "These are the defaults. For videos of your own pass models: --vlm, --llm and --generator, for "
    "example --vlm gemini --llm openai --generator diffusers:THUDM/CogVideoX-5b-I2V."
)


def run(
    video: Annotated[Path | None, Parameter(help="Prefix video or image folder.")] = None,
    *,
    description: Annotated[str, Parameter(name=["--description", "-d"])],
    vlm: str = "world",
    llm: str = "world",
    generator: str = "world",
    vlm_option: Options = (),
    llm_option: Options = (),
    generator_option: Options = (),
    out: Path = Path("runs/run"),
    prefix_seconds: Annotated[float, Parameter(help="How much of VIDEO's end to use.")] = 3.0,
    seconds: Annotated[float, Parameter(help="Length of the continuation.")] = 5.0,
    fps: Annotated[
        float | None, Parameter(help="Frames per second of the result; VIDEO's by default.")
    ] = None,
    size: Annotated[
        tuple[int, int] | None,
        Parameter(help="Height and width of the result; VIDEO's by default."),
    ] = None,
    loops: Annotated[int, Parameter(help="Loops at the most.")] = 4,
    steps: Annotated[list[int] | None, Parameter(help="Denoising steps to try.")] = None,
    seeds: Annotated[list[int] | None, Parameter(help="Seeds to try in every loop.")] = None,
    chain: Literal["own", "rerender"] = "rerender",
    redraw: Annotated[bool, Parameter(help="Noise of its own for every loop.")] = False,
    ensemble: str = DEFAULT_ENSEMBLE,
    best_of: Annotated[
        int | None, Parameter(help="Make this many clips of the first prompt; no critic.")
    ] = None,
    adaptive: Annotated[
        bool, Parameter(help="Stop adding clips when no better one is to be expected.")
    ] = False,
    baseline: Annotated[bool, Parameter(help="Let the plain description's clip compete.")] = True,
    paper: Annotated[bool, Parameter(help="The paper's method, verbatim.")] = False,
    max_usd: Annotated[float | None, Parameter(help="Stop at this cost, best so far.")] = None,
    max_tokens: Annotated[int | None, Parameter(help="Stop at this many tokens.")] = None,
    max_clips: Annotated[float | None, Parameter(help="Stop at this many clips.")] = None,
    max_minutes: Annotated[float | None, Parameter(help="Stop after this long.")] = None,
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
        Run folder.
    chain
        own: every step count has its own loop; rerender: one loop, re-rendered.
    ensemble
        consensus, judge, questions, tournament, bradley_terry, kinematics, motion_quality, vjepa2,
        critics_pick, last or random; several joined by + (ranks are summed, *2 gives a weight) or
        by > (each halves the pool); @1 at the end sets the motion guard's share.
    """
    from phyrefine import report
    from phyrefine.cli import INTERRUPTED, STOPPED_EARLY
    from phyrefine.cli.tables import (
        console,
        disclaimer_lines,
        refinement_table,
        verdict_line,
    )
    from phyrefine.options import join_options
    from phyrefine.refine.convergence import default_policy
    from phyrefine.refiner import SelfRefiner
    from phyrefine.run import endings
    from phyrefine.select.adaptive import stop_early
    from phyrefine.types import Budget, Candidates

    vlm, llm = join_options(vlm, vlm_option), join_options(llm, llm_option)
    generator = join_options(generator, generator_option)
    scenario = scenario_of(video, description, prefix_seconds, seconds, fps, size)
    shared: dict[str, Any] = {
        "run_dir": out,
        "budget": Budget(
            usd=max_usd,
            tokens=max_tokens,
            wall_seconds=None if max_minutes is None else 60 * max_minutes,
            clips=max_clips,
        ),
    }
    if paper:
        step = (steps or [16])[0]
        refiner = SelfRefiner.paper(vlm, llm, generator, steps=step, loops=loops, **shared)
    elif best_of is not None:
        _refuse_beside_best_of(seeds, steps)
        shared |= {"ensemble": ensemble}
        refiner = SelfRefiner.best_of(vlm, llm, generator, best_of, adaptive=adaptive, **shared)
    else:
        refiner = SelfRefiner(
            vlm,
            llm,
            generator,
            convergence=default_policy(loops),
            ensemble=ensemble,
            candidates=Candidates(
                tuple(steps or (None,)), tuple(seeds or (0,)), chain, redraw=redraw
            ),
            baseline=baseline,
            **shared,
        )
        if adaptive:
            refiner.enough = stop_early(refiner.ensemble)
    screen = console()
    screen.print(f"This run takes {refiner.cost() or 'as long as its convergence rule says'}.")
    refinement = refiner.refine(scenario)
    screen.print(refinement_table(refinement))
    screen.print(verdict_line(refinement))
    for line in disclaimer_lines(refinement):
        screen.print(line)
    if refinement.disclaimers and {vlm, llm, generator} == {"world"}:
        screen.print(INSTEAD)
    result = refinement.video.write(out / "result.mp4")
    page = report.write(refinement, out / "report.html")
    screen.print(f"Wrote {result} and {page}.")
    if refinement.stopped_by == endings.INTERRUPTED:
        screen.print("Interrupted. Run the same command again to go on.")
        return INTERRUPTED
    return 0 if endings.finished(refinement) else STOPPED_EARLY


def _refuse_beside_best_of(seeds: list[int] | None, steps: list[int] | None) -> None:
    if seeds or steps:
        raise InvalidInputError(
            "--best-of says how many clips are made: leave out --seeds and --steps."
        )


def scenario_of(
    video: Path | None,
    description: str,
    prefix_seconds: float,
    seconds: float,
    fps: float | None,
    size: tuple[int, int] | None,
) -> Scenario:
    """The scene that the command line asks for.

    Raises:
        VideoError: The video is shorter than the prefix, or cannot be read.
    """
    from phyrefine.errors import VideoError
    from phyrefine.video.clip import Clip

    given: dict[str, Any] = {"seconds": seconds}
    if size is not None:
        given["size"] = size
    if fps is not None:
        given["fps"] = fps
    if video is None:
        return Scenario(description, **given)
    clip = Clip.read(video, fps=fps)
    if len(clip) > 1 and clip.duration < prefix_seconds - 0.5 / clip.fps:
        raise VideoError(
            f"{video} is {clip.duration:.2f} s long, shorter than --prefix-seconds "
            f"{prefix_seconds:g}. Pass a longer video or a smaller number."
        )
    prefix = clip if len(clip) == 1 else clip.seconds(-prefix_seconds)
    return Scenario(description, prefix, name=video.stem, **given)
