"""``phyrefine bench NAME`` for benchmarks that a judge scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from phyrefine.bench.commands.flags import ClipFlags, JudgingFlags, PromptFlags
from phyrefine.physics_iq.commands.bench import BudgetFlags, tell_cost
from phyrefine.physics_iq.commands.scores import say
from phyrefine.run.estimating.flags import NOT_DRY, DryRunFlags

if TYPE_CHECKING:
    from phyrefine.bench.benchmark import Benchmark, Prompts
    from phyrefine.bench.data.prompt_set import PromptSet
    from phyrefine.bench.judges.row import JudgeRow
    from phyrefine.bench.judges.row_judge import Ratings
    from phyrefine.bench.scoring.judging import ClipFile
    from phyrefine.physics_iq.generation.allowance import Allowance
    from phyrefine.physics_iq.generation.generating import Refiner
    from phyrefine.physics_iq.generation.plan import Plan

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
    what_if: DryRunFlags = NOT_DRY,
) -> int:
    """Run a benchmark: a clip of every prompt, plain and refined, a judge, and the table.

    OUT keeps everything; run the same command again to resume. With --shard
    only this machine's prompts are generated: run once more without it, or with --score-only, for
    the table when all shards are done. Another judge on the same clips is the same command with
    --score-only and another --judge.

    Parameters
    ----------
    benchmark
        Its name: phyrefine benchmarks lists them, with what to know of each.
    """
    from phyrefine.bench import registry
    from phyrefine.bench.data.prompt_set import PromptSet
    from phyrefine.errors import InvalidInputError

    if score_only and shard is not None:
        raise InvalidInputError("--score-only scores all prompts: leave out --shard.")
    suite = registry.find(benchmark)
    assert suite.read is not None  # the others have a command of their own
    plan = made.plan(suite)
    row = _row(suite, judging)
    found = suite.read(suite, prompts.data, prompts.wanted())
    out = out or Path("runs") / suite.name
    dataset = PromptSet(suite, found, made.seconds)
    say(f"{suite.title}: {len(found.items)} of {found.total} prompts of {found.path}.")
    for note in found.notes:
        say(note)
    if what_if.dry_run:
        return tell_cost(plan, dataset, out, shard, what_if)
    if not score_only:
        code = _generate(plan, dataset, out, shard, limits.allowance())
        if code is not None:
            return code
    return _score(suite, found, plan, row, judging, out)


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
    plan: Plan, dataset: PromptSet, out: Path, shard: str | None, allowance: Allowance | None
) -> int | None:
    """Make the clips; an exit code if the table has to wait."""
    from phyrefine.physics_iq.generation.generating import generate, make_refiner

    def refiner(run_dir: Path) -> Refiner:
        return _able(make_refiner(plan, run_dir), plan)

    failures = generate(
        plan, dataset, out, shard=shard, allowance=allowance, refiner=refiner, progress=True
    )
    for failure in failures:
        say(failure)
    if failures:
        say(f"{len(failures)} prompts are not finished: run the same command again.")
        return 3
    if shard is not None:
        say("Shard done.")
        return 0
    return None


def _able(refiner: Refiner, plan: Plan) -> Refiner:
    """Refuse a generator that cannot do this at all, before the first prompt."""
    from phyrefine.errors import InvalidInputError
    from phyrefine.protocols import VideoGenerator

    generator = getattr(refiner, "generator", None)
    if plan.mode != "t2v" or not isinstance(generator, VideoGenerator):
        return refiner
    if generator.profile.needs_prefix:
        raise InvalidInputError(
            f"{generator.profile.name} continues a picture or a video and cannot make one from "
            f"text alone, which this benchmark asks for. Pass --generator with a text-to-video "
            "model, for example diffusers:Wan-AI/Wan2.1-T2V-1.3B-Diffusers, or see: "
            "phyrefine generators."
        )
    return refiner


def _score(
    suite: Benchmark, found: Prompts, plan: Plan, row: JudgeRow, judging: JudgingFlags, out: Path
) -> int:
    """Judge the clips and print the table."""
    from phyrefine.bench.scoring.external import read_scores, write_official
    from phyrefine.bench.scoring.judging import clip_files
    from phyrefine.bench.scoring.notes import notes_on
    from phyrefine.bench.scoring.results import results
    from phyrefine.physics_iq.generation.plan import expected_keys

    rows = [key.name for key in expected_keys(plan)]
    clips = clip_files(out, found.items, rows, given=judging.given)
    if suite.official_csv:
        say(f"For the authors' own program: {write_official(out, clips)}.")
    more: tuple[str, ...] = ()
    failed: list[str] = []
    if judging.scores:
        ratings, evaluator = read_scores(judging.scores, row, clips)
    elif judging.judge_vlm is None:
        say(
            "No judge was named, so nothing is scored. Run the same command with --judge-vlm NAME, "
            f"which plays {row.name}; see: phyrefine judges."
        )
        return 0
    else:
        ratings, evaluator, more, failed = _judged(clips, row, judging, out)
    for line in failed:
        say(line)
    notes = (*more, *notes_on(suite, found, row, ratings, generator=plan.generator))
    result = results(suite.title, evaluator, row, found.items, ratings, notes)
    written = result.write(out)
    say(result.shown())
    say(f"Wrote {', '.join(str(path) for path in written)}.")
    if failed:
        say(f"{len(failed)} clips are not judged: run the same command again.")
        return 3
    return 0


def _judged(
    clips: list[ClipFile], row: JudgeRow, judging: JudgingFlags, out: Path
) -> tuple[dict[tuple[str, str], Ratings], str, tuple[str, ...], list[str]]:
    from phyrefine.adapt import as_vlm
    from phyrefine.bench.judges.row_judge import RowJudge
    from phyrefine.bench.judges.view import fitted
    from phyrefine.bench.judges.wording import wording_of
    from phyrefine.bench.scoring.judging import judge_clips
    from phyrefine.options import join_options, split_options

    spec, more = fitted(row, join_options(str(judging.judge_vlm), judging.judge_option))
    wording = wording_of(row, judging.judge_template)
    label = split_options(spec)[0]
    judge = RowJudge(as_vlm(spec), row, wording, judging.law_names(), judging.repeats, label)
    ratings, failed = judge_clips(judge, clips, out, workers=judging.workers, progress=True)
    if row.published and not wording.published:
        trained = f"Wording: phyrefine's, not what {row.title} was trained on ({row.published}): "
        advice = "pass it with --judge-template, or take these scores for no more than a trial."
        more = (trained + advice, *more)
    return ratings, judge.name, more, failed
