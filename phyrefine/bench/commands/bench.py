"""``phyrefine bench NAME`` for benchmarks that a judge scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from phyrefine.bench.commands.flags import ClipFlags, JudgingFlags, PromptFlags
from phyrefine.bench.commands.scoring import Scoring, say_some
from phyrefine.physics_iq.commands.bench import BudgetFlags, tell_cost
from phyrefine.physics_iq.commands.scores import say
from phyrefine.protocols import Listener
from phyrefine.run.cluster.flags import HERE, RayFlags
from phyrefine.run.estimating.flags import NOT_DRY, DryRunFlags
from phyrefine.tracking.flags import Track, tracked

if TYPE_CHECKING:
    from phyrefine.bench.benchmark import Benchmark
    from phyrefine.bench.data.prompt_set import PromptSet
    from phyrefine.bench.judges.row import JudgeRow
    from phyrefine.physics_iq.generation.allowance import Allowance
    from phyrefine.physics_iq.generation.generating import Refiner
    from phyrefine.physics_iq.generation.plan import Plan
    from phyrefine.run.cluster.ray_cluster import RayCluster

CLIPS, JUDGING, LIMITS = ClipFlags(), JudgingFlags(), BudgetFlags()


def bench(
    benchmark: str,
    *,
    prompts: PromptFlags,
    made: ClipFlags = CLIPS,
    judging: JudgingFlags = JUDGING,
    limits: BudgetFlags = LIMITS,
    out: Annotated[Path | None, Parameter(help="Folder of this run: runs/NAME by default.")] = None,
    shard: Annotated[str | None, Parameter(help="This machine's share: i/n.")] = None,
    score_only: Annotated[bool, Parameter(help="Never generate; score what is there.")] = False,
    track: Track = None,
    what_if: DryRunFlags = NOT_DRY,
    where: RayFlags = HERE,
) -> int:
    """Run a benchmark: a clip of every prompt, plain and refined, a judge, and the table.

    OUT keeps everything; run the same command again to resume. With --shard
    only this machine's prompts are generated (with --score-only: judged); run once more without it
    for the table when all shards are done. With --ray one command makes the clips of all prompts on
    a cluster. Another judge on the same clips: --score-only, --data,
    --out, and another --judge; what was generated is known from OUT.

    Parameters
    ----------
    benchmark
        Its name: phyrefine benchmarks lists them, with what to know of each.
    """
    from phyrefine.bench import registry
    from phyrefine.bench.data.prompt_set import PromptSet
    from phyrefine.physics_iq.generation.plan import read_plan

    suite = registry.find(benchmark)
    assert suite.read is not None  # the others have a command of their own
    row = _row(suite, judging)
    found = suite.read(suite, prompts.data, prompts.wanted())
    out = out or Path("runs") / suite.name
    if score_only:
        dataset = PromptSet.made(suite, found, out)
        plan = read_plan(out, dataset)
    else:
        dataset, plan = PromptSet(suite, found, made.seconds), made.plan(suite)
    say(f"{suite.title}: {len(found.items)} of {found.total} prompts of {found.path}.")
    for note in found.notes:
        say(note)
    if what_if.dry_run:
        return tell_cost(plan, dataset, out, shard, what_if, where.workers())
    allowance = limits.allowance()
    scoring = Scoring(suite, found, plan, row, judging, out, allowance)
    if score_only:
        return scoring.table() if shard is None else scoring.share(shard)
    with where.cluster() as cluster, tracked(track) as listeners:
        code = _generate(plan, dataset, out, shard, allowance, listeners, cluster)
    return scoring.table() if code is None else code


def _row(suite: Benchmark, judging: JudgingFlags) -> JudgeRow:
    """The judge's row; a wrong name or template is found before any work."""
    from phyrefine.bench.judges.table import find
    from phyrefine.bench.judges.view import fitted
    from phyrefine.bench.judges.wording import wording_of
    from phyrefine.errors import InvalidInputError

    row = find(judging.judge or suite.judge)
    wording_of(row, judging.judge_template)
    judging.law_names()
    if judging.judge_vlm is not None and judging.scores:
        raise InvalidInputError("Pass --judge-vlm or --scores, not both.")
    if judging.judge_vlm is not None:
        fitted(row, judging.judge_vlm)
    return row


def _generate(
    plan: Plan,
    dataset: PromptSet,
    out: Path,
    shard: str | None,
    allowance: Allowance | None,
    listeners: Sequence[Listener],
    cluster: RayCluster | None,
) -> int | None:
    """Make the clips; an exit code if the table has to wait."""
    from phyrefine.physics_iq.generation.generating import generate, make_refiner

    def refiner(run_dir: Path) -> Refiner:
        models = None
        if cluster is not None:
            models = (plan.vlm, plan.llm, cluster.generator(plan.generator))
        # One bar at a time: without a cluster the samples' own is shown.
        how = {"listeners": listeners, "progress": cluster is not None}
        return _able(make_refiner(plan, run_dir, models=models, **how), plan)

    failures = generate(
        plan, dataset, out, shard=shard, allowance=allowance, refiner=refiner, on=cluster,
        progress=True,
    )  # fmt: skip
    say_some(failures)
    if failures:
        say(f"{len(failures)} prompts are not finished: run the same command again.")
        return 3
    if shard is not None:
        say("Shard done.")
        return 0
    return None


def _able(refiner: Refiner, plan: Plan) -> Refiner:
    """Refuse a generator that cannot do this at all, and tell of held frames, before any prompt."""
    from phyrefine.errors import InvalidInputError
    from phyrefine.protocols import VideoGenerator

    generator = getattr(refiner, "generator", None)
    if not isinstance(generator, VideoGenerator):
        return refiner
    native = generator.profile.fps
    if native is not None and native < plan.fps:
        say(
            f"Clips are made at {native:g} fps and delivered at {plan.fps}, so frames are held, "
            f"which a judge may take for stutter. Pass --fps {native:g} to deliver them as made."
        )
    if plan.mode == "t2v" and generator.profile.needs_prefix:
        raise InvalidInputError(
            f"{generator.profile.name} continues a picture or a video and cannot make one from "
            f"text alone, which this benchmark asks for. Pass --generator with a text-to-video "
            "model, for example diffusers:Wan-AI/Wan2.1-T2V-1.3B-Diffusers, or see: "
            "phyrefine generators."
        )
    return refiner
