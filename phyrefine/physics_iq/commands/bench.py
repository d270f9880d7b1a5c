"""``phyrefine bench``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from attrs import evolve, frozen
from cyclopts import Parameter
from cyclopts.validators import Number

from phyrefine._command_values import Count, Many, Positive, Seeds, Size, StepsOrDefault
from phyrefine.physics_iq.commands.data_flags import DataFlags, require_truth
from phyrefine.physics_iq.commands.recipes import NO_RECIPE, Asked, RecipeFlags, run_recipe
from phyrefine.physics_iq.commands.scores import numbers, say
from phyrefine.run.cluster.flags import HERE, RayFlags
from phyrefine.run.estimating.flags import NOT_DRY, DryRunFlags
from phyrefine.tracking.flags import Track, tracked

if TYPE_CHECKING:
    from phyrefine.physics_iq.data.dataset import PhysicsIQ
    from phyrefine.physics_iq.data.inputs import Inputs
    from phyrefine.physics_iq.generation.allowance import Allowance
    from phyrefine.physics_iq.generation.given import GivenPrompts
    from phyrefine.physics_iq.generation.plan import Plan
    from phyrefine.run.estimating.estimate import Workers


# Of PlanFlags, whose own are empty, as a flag that is given goes before a recipe.
_DEFAULTS = {
    **dict.fromkeys(("vlm", "llm", "generator"), "world"),
    "loops": 4,
    "steps": (0,),
    "seeds": (0,),
    "ensemble": "judge",
}


@Parameter(name="*")
@frozen
class PlanFlags:
    """What is generated; a recipe's word holds where a flag is not given.

    Attributes:
        vlm: Backend that watches: NAME or NAME:MODEL; world.
        llm: Backend that rewrites; world.
        generator: Backend that generates, for example magi:PATH or magi:PATH#VARIANT; world.
        vlm_option: key=value; repeatable. See: phyrefine backends NAME.
        llm_option: As --vlm-option.
        generator_option: As --vlm-option.
        loops: Loops of every sample; 4.
        steps: Step counts: 16,32 or 16 32; 0, the default, is the generator's own.
        seeds: Seeds: 0,1 or 0 1; 0 is the default.
        chain: own, the default: every step count has its own loop; rerender: one loop,
            re-rendered.
        paper: The paper's method, verbatim.
        ensemble: Reference-free selector whose scores are stored: judge (the default), tournament,
            consensus or critics_pick (which scores one seed only).
        watch: Clips of each loop that the critic watches; 1.
        search: backtracking: make the chunks from the first violation on anew; chunks: choose
            among several versions of every chunk. Needs a generator that streams.
        search_option: key=value; repeatable; as in phyrefine run.
        mode: v2v, the default, conditions on 3 s of video, i2v on one frame.
        fps: Frames per second of the clips; 24.
        size: Height and width of the clips; 720 1280.
    """

    vlm: str | None = None
    llm: str | None = None
    generator: str | None = None
    vlm_option: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    llm_option: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    generator_option: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    loops: Annotated[Count | None, Parameter()] = None
    steps: Annotated[StepsOrDefault | None, Parameter(show_default=False)] = None
    seeds: Annotated[Seeds | None, Parameter(show_default=False)] = None
    chain: Literal["own", "rerender"] | None = None
    paper: bool | None = None
    ensemble: str | None = None
    watch: Annotated[Count | None, Parameter()] = None
    search: Annotated[str | None, Parameter()] = None
    search_option: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    mode: Literal["v2v", "i2v"] | None = None
    fps: int | None = None
    size: Annotated[Size | None, Parameter()] = None

    def plan(self, recipe: Mapping[str, Any] | None = None) -> Plan:
        """The plan that these flags describe.

        Args:
            recipe: Settings that hold where no flag is given.
        """
        from attrs import asdict

        from phyrefine.options import join_options
        from phyrefine.physics_iq.generation.plan import Plan
        from phyrefine.run.search.named import join_search

        flags = {name: value for name, value in asdict(self).items() if value not in (None, ())}
        given: dict[str, Any] = {**_DEFAULTS, **(recipe or {}), **flags}
        for role in ("vlm", "llm", "generator"):
            given[role] = join_options(given[role], given.pop(f"{role}_option", ()))
        given["search"] = join_search(given.get("search"), given.pop("search_option", ()))
        return Plan(**given)


@Parameter(name="*")
@frozen
class BudgetFlags:
    """When to stop.

    Attributes:
        max_usd: Stop this call at this cost; finished samples are kept.
        max_tokens: Stop this call at this many tokens.
        max_minutes: Stop this call's generating after this long.
    """

    max_usd: Positive | None = None
    max_tokens: Many | None = None
    max_minutes: Positive | None = None

    def allowance(self) -> Allowance | None:
        """The budget these flags set; ``None`` without limits."""
        from phyrefine.physics_iq.generation.allowance import Allowance
        from phyrefine.types import Budget

        seconds = None if self.max_minutes is None else 60 * self.max_minutes
        budget = Budget(usd=self.max_usd, tokens=self.max_tokens, wall_seconds=seconds)
        return None if budget == Budget() else Allowance(budget)


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
    entry: RecipeFlags = NO_RECIPE,
    track: Track = None,
    what_if: DryRunFlags = NOT_DRY,
    where: RayFlags = HERE,
) -> int:
    """Run Physics-IQ: refine every sample, score every clip, print the table.

    OUT keeps everything; run the same command again to resume. With --shard
    only this machine's samples are generated: run once more without it, or with --score-only, for
    the table when all shards are done. With --ray one command makes the clips of all samples on a
    cluster. Other benchmarks: phyrefine benchmarks.
    """
    from phyrefine.errors import InvalidInputError
    from phyrefine.physics_iq.generation.given import read_given
    from phyrefine.physics_iq.recipes.running import RecipeRun
    from phyrefine.physics_iq.tables.scoring import check_subsets, score_bench

    recipe = entry.read()
    if recipe is not None and (where.ray is not None or track is not None):
        raise InvalidInputError("--recipe goes with neither --ray nor --track: leave those out.")
    plan = made.plan(recipe.settings if recipe else None)
    rows = None if subsets is None else [numbers(part) for part in subsets.split(";")]
    if score_only and shard is not None:
        raise InvalidInputError("--score-only scores all samples: leave out --shard.")
    dataset = against.dataset(plan.fps, recipe.edition if recipe else None)
    if prompts is None and recipe is not None:
        prompts = recipe.prompts
    given = None if prompts is None else read_given(prompts, dataset)
    if given is not None:
        plan = evolve(plan, given=given.digest)
    if recipe is not None:
        return run_recipe(
            RecipeRun(recipe, plan, dataset, out),
            Asked(rows, shard, score_only, cache, jobs, against.allow_made_masks),
            given=given,
            allowance=limits.allowance(),
            info=entry.card(),
            what_if=what_if,
        )
    if what_if.dry_run:
        return tell_cost(plan, dataset, out, shard, what_if, where.workers())
    if not score_only:
        check_subsets(rows or (), plan)
        if shard is None:  # a shard's machine may lack what is needed to score
            require_truth(dataset, plan.fps, allow_made_masks=against.allow_made_masks)
        with where.cluster() as cluster, tracked(track) as listeners:
            how = {"on": cluster, "listeners": listeners}
            code = _generate(plan, dataset, out, shard, limits.allowance(), given, **how)
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
    plan: Plan,
    dataset: Inputs[Any],
    out: Path,
    shard: str | None,
    what_if: DryRunFlags,
    workers: Workers | None = None,
) -> int:
    """Print what generating would take; scoring needs neither GPU nor money."""
    from phyrefine.physics_iq.generation.generating import cost_of_a_sample, samples_of
    from phyrefine.run.search.named import not_counted

    samples, left = samples_of(plan, dataset, out, shard)
    estimate = what_if.estimate(
        cost_of_a_sample(plan),
        what_if.rates(out, (plan.vlm, plan.llm, plan.generator)),
        scenarios=len(samples),
        finished=len(samples) - len(left),
        workers=workers,
    )
    left_out = (not_counted(plan.search),) if plan.search else ()
    told = ("Dry run: nothing is made and nothing is paid for.", *estimate.lines(), *left_out)
    for line in told:
        say(line)
    return 0


def _generate(
    plan: Plan,
    dataset: PhysicsIQ,
    out: Path,
    shard: str | None,
    allowance: Allowance | None,
    given: GivenPrompts | None,
    **how: Any,
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
        **how,
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
