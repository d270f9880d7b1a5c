"""The second half of ``phyrefine bench NAME``: the judge and the table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from phyrefine.bench.commands.flags import JudgingFlags
from phyrefine.physics_iq.commands.scores import say

if TYPE_CHECKING:
    from phyrefine.bench.benchmark import Benchmark, Item, Prompts
    from phyrefine.bench.judges.row import JudgeRow
    from phyrefine.bench.judges.row_judge import Ratings
    from phyrefine.bench.scoring.judging import ClipFile
    from phyrefine.physics_iq.generation.allowance import Allowance
    from phyrefine.physics_iq.generation.plan import Plan
    from phyrefine.types import Usage

MOST_LINES = 5  # of failures, before they are only counted


@frozen
class Scoring:
    """What is judged, by whom, and where it lies.

    Attributes:
        suite: The benchmark.
        found: Its prompts.
        plan: What was generated.
        row: The judge.
        judging: How it is asked.
        out: Folder of the run.
        allowance: What may be spent; ``None`` for no limit.
    """

    suite: Benchmark
    found: Prompts
    plan: Plan
    row: JudgeRow
    judging: JudgingFlags
    out: Path
    allowance: Allowance | None = None

    @property
    def rows(self) -> list[str]:
        """Names of the runs."""
        from phyrefine.physics_iq.generation.plan import expected_keys

        return [key.name for key in expected_keys(self.plan)]

    def clips(self, items: tuple[Item, ...]) -> list[ClipFile]:
        """The clips of some prompts."""
        from phyrefine.bench.scoring.judging import clip_files

        return clip_files(self.out, items, self.rows, given=self.judging.given)

    def share(self, shard: str) -> int:
        """Judge the clips of this machine's share; gives the exit code."""
        from phyrefine.errors import InvalidInputError
        from phyrefine.run.many import shard as take_shard

        if self.judging.judge_vlm is None:
            raise InvalidInputError("--score-only --shard judges a share: pass --judge-vlm.")
        items = tuple(take_shard(self.found.items, shard))
        _, _, _, failed = self._judged(self.clips(items))
        return _told(failed) or _done("Shard judged.")

    def table(self) -> int:
        """Judge what is left and print the table; gives the exit code."""
        from phyrefine.bench.scoring.chosen import with_chosen
        from phyrefine.bench.scoring.external import read_scores, write_official
        from phyrefine.bench.scoring.notes import notes_on
        from phyrefine.bench.scoring.results import results
        from phyrefine.physics_iq.generation.generating import read_records

        items = self.found.items
        clips = self.clips(items)
        if self.suite.official_csv:
            say(f"For the authors' own program: {write_official(self.out, clips)}.")
        more: tuple[str, ...] = ()
        failed: list[str] = []
        if self.judging.scores:
            ratings, evaluator = read_scores(self.judging.scores, self.row, clips)
        elif self.judging.judge_vlm is None:
            return _done(
                "No judge was named, so nothing is scored. Run the same command with --judge-vlm "
                f"NAME, which plays {self.row.name}; see: phyrefine judges."
            )
        else:
            ratings, evaluator, more, failed = self._judged(clips)
        notes = notes_on(self.suite, self.found, self.row, ratings, generator=self.plan.generator)
        records = read_records(self.out, items)
        shown = with_chosen(ratings, items, records, self.rows, self.plan.ensemble)
        result = results(self.suite.title, evaluator, self.row, items, shown, (*more, *notes))
        written = result.write(self.out)
        say(result.shown())
        say(f"Wrote {', '.join(str(path) for path in written)}.")
        return _told(failed)

    def _judged(
        self, clips: list[ClipFile]
    ) -> tuple[dict[tuple[str, str], Ratings], str, tuple[str, ...], list[str]]:
        """Ratings, the evaluator's name, notes on it, and a line for each clip without."""
        from phyrefine.adapt import as_vlm
        from phyrefine.bench.judges.row_judge import RowJudge
        from phyrefine.bench.judges.view import fitted
        from phyrefine.bench.judges.wording import wording_of
        from phyrefine.bench.scoring.judging import judge_clips
        from phyrefine.options import join_options, split_options
        from phyrefine.run.budget.meter import Meter
        from phyrefine.run.budget.metered import MeteredAsker

        how, row = self.judging, self.row
        spec, more = fitted(row, join_options(str(how.judge_vlm), how.judge_option))
        wording, label = wording_of(row, how.judge_template), split_options(spec)[0]
        left = None if self.allowance is None else self.allowance.left()
        # --max-minutes is about generating.
        meter = Meter(None if left is None else evolve(left, wall_seconds=None))
        vlm = MeteredAsker(as_vlm(spec), meter)
        judge = RowJudge(vlm, row, wording, how.law_names(), how.repeats, label)
        ratings, failed = judge_clips(judge, clips, self.out, workers=how.workers, progress=True)
        if meter.usage.calls:
            say(f"Judging took {_in_words(meter.usage)}.")
        if row.published and not wording.published:
            trained = f"Wording: phyrefine's, not what {row.title} was trained on "
            advice = "pass it with --judge-template, or take these scores for no more than a trial."
            more = (f"{trained}({row.published}): {advice}", *more)
        if self.plan.loops and label == split_options(self.plan.vlm)[0]:
            more = (
                (
                    f"Judge and critic are the same model ({label}): prompts are rewritten to its "
                    "liking, so it favors the loops. Score them with another one."
                ),
                *more,
            )
        return ratings, judge.name, more, failed


def _in_words(usage: Usage) -> str:
    dollars = "dollars unknown" if usage.usd is None else f"${usage.usd:.2f}"
    return f"{usage.calls} questions, {sum(usage.tokens.values())} tokens, {dollars}"


def say_some(failed: list[str]) -> None:
    """Print the first lines, and how many more there are."""
    for line in failed[:MOST_LINES]:
        say(line)
    if len(failed) > MOST_LINES:
        say(f"... and {len(failed) - MOST_LINES} more.")


def _told(failed: list[str]) -> int:
    say_some(failed)
    if failed:
        say(f"{len(failed)} clips are not judged: run the same command again.")
        return 3
    return 0


def _done(line: str) -> int:
    say(line)
    return 0
