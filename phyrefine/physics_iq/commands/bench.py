"""``phyrefine bench``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from attrs import evolve, frozen
from cyclopts import Parameter
from cyclopts.validators import Number

from phyrefine.physics_iq.commands.scores import numbers, say
from phyrefine.run.estimating.flags import NOT_DRY, DryRunFlags

if TYPE_CHECKING:
    from phyrefine.physics_iq.data.dataset import PhysicsIQ
    from phyrefine.physics_iq.data.inputs import Inputs
    from phyrefine.physics_iq.generation.allowance import Allowance
    from phyrefine.physics_iq.generation.given import GivenPrompts
    from phyrefine.physics_iq.generation.plan import Plan


@Parameter(name="*")
@frozen
class PlanFlags:
    """What is generated.

    Attributes:
        vlm: Backend that watches: NAME or NAME:MODEL.
        llm: Backend that rewrites.
        generator: Backend that generates, for example magi:PATH or magi:PATH#VARIANT.
        vlm_option: key=value; repeatable. See: phyrefine backends NAME.
        llm_option: As --vlm-option.
        generator_option: As --vlm-option.
        loops: Loops of every sample.
        steps: Step counts, for example 16,32; 0 is default.
        seeds: Seeds, for example 0,1,2,3.
        chain: own: every step count has its own loop; rerender: one loop, re-rendered.
        paper: The paper's method, verbatim.
        ensemble: Reference-free selector whose scores are stored: judge, tournament, consensus or
            critics_pick (which scores one seed only).
        mode: v2v conditions on 3 s of video, i2v on one frame.
        fps: Frames per second of the clips.
        size: Height and width of the clips.
    """

    vlm: str = "world"
    llm: str = "world"
    generator: str = "world"
    vlm_option: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    llm_option: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    generator_option: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    loops: int = 4
    steps: str = "0"
    seeds: str = "0"
    chain: Literal["own", "rerender"] = "own"
    paper: bool = False
    ensemble: str = "judge"
    mode: Literal["v2v", "i2v"] = "v2v"
    fps: int = 24
    size: tuple[int, int] = (720, 1280)

    def plan(self) -> Plan:
        """The plan these flags describe."""
        from attrs import asdict

        from phyrefine.options import join_options
        from phyrefine.physics_iq.generation.plan import Plan

        given = asdict(self)
        for role in ("vlm", "llm", "generator"):
            given[role] = join_options(given[role], given.pop(f"{role}_option"))
        return Plan(**{**given, "steps": numbers(self.steps), "seeds": numbers(self.seeds)})


@Parameter(name="*")
@frozen
class BudgetFlags:
    """When to stop.

    Attributes:
        max_usd: Stop this call at this cost; finished samples are kept.
        max_tokens: Stop this call at this many tokens.
        max_minutes: Stop this call's generating after this long.
    """

    max_usd: float | None = None
    max_tokens: int | None = None
    max_minutes: float | None = None

    def allowance(self) -> Allowance | None:
        """The budget these flags set; ``None`` without limits."""
        from phyrefine.physics_iq.generation.allowance import Allowance
        from phyrefine.types import Budget

        seconds = None if self.max_minutes is None else 60 * self.max_minutes
        budget = Budget(usd=self.max_usd, tokens=self.max_tokens, wall_seconds=seconds)
        return None if budget == Budget() else Allowance(budget)


@Parameter(name="*")
@frozen
class DataFlags:
    """What it is measured against.

    Attributes:
        data: The benchmark's folder as downloaded, or the folder that holds it.
        edition: Which ground truth DATA is; by default taken from the folder's name.
        descriptions: Prompts; by default descriptions.csv beside the data.
        make_scenes: Render that many small scenes into DATA, a new folder, first.
        allow_made_masks: Verified: make masks at a rate without shipped ones (unofficial).
    """

    data: Path
    edition: Literal["original", "verified"] | None = None
    descriptions: Path | None = None
    make_scenes: int = 0
    allow_made_masks: bool = False

    def dataset(self, fps: int) -> PhysicsIQ:
        """The data set, rendered at 30 FPS and ``fps`` if that was asked for."""
        from phyrefine.physics_iq.data.dataset import PhysicsIQ

        if self.make_scenes:
            from phyrefine.physics_iq.data.layout import Edition
            from phyrefine.physics_iq.synthetic.world_set import made_world_dataset

            edition = Edition(self.edition or Edition.ORIGINAL)
            made_world_dataset(self.data, scenes=self.make_scenes, fps=fps, edition=edition)
        return PhysicsIQ.open(self.data, edition=self.edition, descriptions=self.descriptions)


def bench(
    benchmark: Literal["physics-iq"] = "physics-iq",  # noqa: ARG001 - leaves room for others
    *,
    against: DataFlags,
    made: PlanFlags = PlanFlags(),
    limits: BudgetFlags = BudgetFlags(),
    out: Annotated[Path, Parameter(help="Folder of this run.")] = Path("runs/physics-iq"),
    subsets: Annotated[str | None, Parameter(help="Rows of ensembles: 1,2,5;1,2,3.")] = None,
    prompts: Annotated[
        Path | None, Parameter(help="Prompts from other sources, one per sample: .csv or .json.")
    ] = None,
    shard: Annotated[str | None, Parameter(help="This machine's share: i/n.")] = None,
    score_only: Annotated[bool, Parameter(help="Never generate; score what is there.")] = False,
    cache: Annotated[Path | None, Parameter(help="Cache folder for data from real clips.")] = None,
    jobs: Annotated[
        int | None, Parameter(help="Views scored at a time.", validator=Number(gte=1))
    ] = None,
    what_if: DryRunFlags = NOT_DRY,
) -> int:
    """Run Physics-IQ: refine every sample, score every clip, print the table.

    OUT keeps everything; run the same command again to resume. With --shard
    only this machine's samples are generated: run once more without it, or with --score-only, for
    the table when all shards are done. Other benchmarks: phyrefine benchmarks.
    """
    from phyrefine.errors import InvalidInputError
    from phyrefine.physics_iq.generation.given import read_given
    from phyrefine.physics_iq.tables.scoring import check_subsets, score_bench

    plan = made.plan()
    rows = None if subsets is None else [numbers(part) for part in subsets.split(";")]
    if score_only and shard is not None:
        raise InvalidInputError("--score-only scores all samples: leave out --shard.")
    dataset = against.dataset(made.fps)
    given = None if prompts is None else read_given(prompts, dataset)
    if given is not None:
        plan = evolve(plan, given=given.digest)
    if what_if.dry_run:
        return tell_cost(plan, dataset, out, shard, what_if)
    if not score_only:
        check_subsets(rows or (), plan)
        if shard is None:  # a shard's machine may lack what is needed to score
            _require_truth(dataset, made.fps, allow_made_masks=against.allow_made_masks)
        code = _generate(plan, dataset, out, shard, limits.allowance(), given)
        if code is not None:
            return code
    table = score_bench(
        out,
        dataset,
        cache=cache,
        subsets=rows,
        allow_made_masks=against.allow_made_masks,
        jobs=jobs,
        progress=True,
    )
    say(table.shown())
    say(f"Wrote {out / 'table.txt'}, table.csv, table.json, table.svg and loops.svg.")
    return 0


def tell_cost(
    plan: Plan, dataset: Inputs[Any], out: Path, shard: str | None, what_if: DryRunFlags
) -> int:
    """Print what generating would take; scoring needs neither GPU nor money."""
    from phyrefine.physics_iq.generation.generating import cost_of_a_sample, samples_of

    samples, left = samples_of(plan, dataset, out, shard)
    estimate = what_if.estimate(
        cost_of_a_sample(plan),
        what_if.rates(out, (plan.vlm, plan.llm, plan.generator)),
        scenarios=len(samples),
        finished=len(samples) - len(left),
    )
    for line in ("Dry run: nothing is made and nothing is paid for.", *estimate.lines()):
        say(line)
    return 0


def _require_truth(dataset: PhysicsIQ, fps: int, *, allow_made_masks: bool) -> None:
    """See, without opening any, that the files to score with are there."""
    from phyrefine.errors import InvalidInputError
    from phyrefine.physics_iq.scoring.truth import GroundTruth, shortened

    absent = GroundTruth(dataset, fps, allow_made_masks=allow_made_masks).absent()
    if absent:
        raise InvalidInputError(
            f"{len(absent)} files to score with are missing or empty: {shortened(absent)}. Fetch "
            "them first, or generate only, with --shard 1/1."
        )


def _generate(
    plan: Plan,
    dataset: PhysicsIQ,
    out: Path,
    shard: str | None,
    allowance: Allowance | None,
    given: GivenPrompts | None,
) -> int | None:
    """Make the clips; an exit code if the table has to wait."""
    from phyrefine.physics_iq.generation.generating import generate

    failures = generate(
        plan,
        dataset,
        out,
        shard=shard,
        allowance=allowance,
        given=given.prompts if given is not None else None,
        progress=True,
    )
    for failure in failures:
        say(failure)
    if failures:
        say(f"{len(failures)} samples are not finished.")
        return 3
    if shard is not None:
        say("Shard done.")
        return 0
    return None
