"""From a benchmark folder to a submission pack: which clips, how they were chosen, what to say.

How the clips were chosen is read from the folder, not from the caller: a row of the table, or a
selector whose scores were stored while generating, which cannot open ground truth.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.physics_iq.data.layout import Edition, RunKey
from phyrefine.physics_iq.generation.generating import read_records
from phyrefine.physics_iq.generation.plan import Plan, expected_keys
from phyrefine.physics_iq.scoring.aggregate import MOST_RUNS
from phyrefine.physics_iq.scoring.evaluation import Evaluation
from phyrefine.physics_iq.scoring.truth import GroundTruth
from phyrefine.physics_iq.submission.card import Finding
from phyrefine.physics_iq.submission.known import listed_numbers, public_info, slug
from phyrefine.physics_iq.submission.making import Selection, require_clean, require_new, write_pack
from phyrefine.physics_iq.tables.attempts import Attempts, Picks, picks_by
from phyrefine.physics_iq.tables.measuring import Part, Stored, complete_selectors, measure
from phyrefine.physics_iq.tables.table_one import SelectorScores


@attrs.frozen
class Entry:
    """What is entered.

    Attributes:
        row: Number of a row of the table; ``None`` for an ensemble.
        selector: Name of a stored reference-free selector; ``None`` for a row.
        subset: Rows the selector picks from; empty for all refined rows.
        seed: Only this seed's run; ``None`` for a run of each seed.
    """

    row: int | None = None
    selector: str | None = None
    subset: tuple[int, ...] = ()
    seed: int | None = None


def pack_bench(
    folder: Path,
    dataset: PhysicsIQ,
    out: Path,
    entry: Entry,
    *,
    info: Mapping[str, Any] | None = None,
    cache: Path | None = None,
    jobs: int | None = None,
) -> list[Finding]:
    """Write the submission pack of a finished benchmark folder, a run for each entered seed.

    Args:
        folder: Of the benchmark run.
        dataset: Its data set; another edition is refused.
        out: A new folder.
        entry: What is entered.
        info: Fields of the card's ``public_info`` that the folder does not know, such as
            organization and costs; they override what it does.
        cache: Folder of the real side.
        jobs: Views at a time.

    Returns:
        What the leaderboard's check would find.

    Raises:
        InvalidInputError: The entry has no place on a leaderboard or names what is not there,
            ``out`` exists, or the folder is not finished or of the other edition.
        VideoError: A clip cannot be cut to 5 s.
    """
    require_new(out)
    part = Part.read(folder, dataset)
    entered = Gathering([part], dataset, entry, info=info or {})
    return entered.gather(cache=cache, jobs=jobs).write(out)


@attrs.frozen
class Gathering:
    """What is going to be packed, checked before anything is measured.

    Attributes:
        parts: Folders of the benchmark: one, or several of one plan with different seeds.
        dataset: Its data set.
        entry: What is entered.
        info: Fields of the card that override what the folders say.
        label: What runs are called after; by default the generator.

    Raises:
        InvalidInputError: The entry has no place on a leaderboard, or names what is not there.
    """

    parts: Sequence[Part]
    dataset: PhysicsIQ
    entry: Entry
    info: Mapping[str, Any] = attrs.field(factory=dict)
    label: str | None = None

    def __attrs_post_init__(self) -> None:
        _rows_of(self.entry, self.plan)
        require_clean(self.selection, self.dataset.edition)

    @property
    def plan(self) -> Plan:
        """The plan of the whole benchmark, with the seeds of every part."""
        seeds = tuple(seed for part in self.parts for seed in part.plan.seeds)
        return attrs.evolve(self.parts[0].plan, seeds=seeds)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that are entered."""
        return _seeds_of(self.entry, self.plan)

    @property
    def entered(self) -> list[Part]:
        """The parts with what is entered of each."""
        kept = [
            (part, tuple(seed for seed in part.plan.seeds if seed in self.seeds))
            for part in self.parts
        ]
        return [Part(p.folder, attrs.evolve(p.plan, seeds=seeds)) for p, seeds in kept if seeds]

    @property
    def selection(self) -> Selection:
        """How the clips are chosen."""
        return _selection(self.entry, self.dataset.edition)

    def gather(
        self, *, cache: Path | None = None, jobs: int | None = None, progress: bool = False
    ) -> Gathered:
        """Measure the clips and choose; arguments as ``tables.measuring.measure``.

        Raises:
            InvalidInputError: A clip has no score of the entry's selector, or the edition takes
                fewer runs.
        """
        for part in self.entered:
            records = read_records(part.folder, self.dataset.samples)
            self._require_selector(complete_selectors(records, expected_keys(part.plan)))
        _require_few(self.seeds, self.dataset.edition)
        truth = GroundTruth(self.dataset, self.plan.fps)
        stored = measure(self.entered, truth, cache=cache, jobs=jobs, progress=progress)
        return self.choose(stored)

    def choose(self, stored: Stored) -> Gathered:
        """Choose among clips that are measured, those of further seeds left aside.

        Raises:
            InvalidInputError: A clip has no score of the entry's selector.
        """
        self._require_selector(stored.selectors)
        rows = [stored.attempts.rows[row - 1] for row in _rows_of(self.entry, self.plan)]
        scores = None if self.entry.selector is None else stored.selectors[self.entry.selector]
        runs: dict[str, Run] = {}
        for number, seed in enumerate(self.seeds, start=1):
            picks = _picks(stored.attempts, [RunKey(*row, seed) for row in rows], scores)
            name = f"{slug(self.label or self.plan.generator)}-{self.plan.mode}-run_{number:02d}"
            runs[name] = Run(
                {f"{one}.mp4": stored.videos[key] / f"{one}.mp4" for one, key in picks.items()},
                {f"{one}.mp4": stored.prompts[key][one] for one, key in picks.items()},
                Evaluation(stored.attempts.combined(picks), stored.provenance),
            )
        clip = next(iter(next(iter(runs.values())).clips.values()))
        first = self.parts[0].folder
        known = public_info(first, self.plan, seeds=self.seeds, rows=rows, clip=clip)
        return Gathered(runs, {**known, **self.info}, self.selection, self.dataset.descriptions)

    def _require_selector(self, there: Collection[str]) -> None:
        if self.entry.selector is not None and self.entry.selector not in there:
            raise InvalidInputError(
                f"No selector {self.entry.selector!r} scored every clip of this run; there are "
                f"{sorted(there) or 'none'}."
            )


@attrs.frozen
class Run:
    """One run of an entry.

    Attributes:
        clips: By file name in the pack.
        prompts: Likewise: what each clip was made from.
        score: The run's.
    """

    clips: Mapping[str, Path]
    prompts: Mapping[str, str]
    score: Evaluation


@attrs.frozen
class Gathered:
    """Everything that a pack holds.

    Attributes:
        runs: By name.
        info: The card's ``public_info``.
        selection: How the clips were chosen.
        descriptions: The benchmark's table of prompts.
    """

    runs: Mapping[str, Run]
    info: Mapping[str, Any]
    selection: Selection
    descriptions: Path

    @property
    def scores(self) -> dict[str, Evaluation]:
        """By run."""
        return {name: run.score for name, run in self.runs.items()}

    def write(self, out: Path) -> list[Finding]:
        """Write the pack; gives what the leaderboard's check would find."""
        return write_pack(
            out,
            {name: run.clips for name, run in self.runs.items()},
            list(self.scores.values()),
            descriptions=self.descriptions,
            prompts={name: run.prompts for name, run in self.runs.items()},
            public_info=self.info,
            selection=self.selection,
        )


def _selection(entry: Entry, edition: Edition) -> Selection:
    # The oracle is not among the stored selectors; asking for it gets the reason, not a lookup.
    oracle = entry.selector == "oracle"
    used = frozenset({edition}) if oracle else frozenset()
    return Selection(entry.selector or "none", oracle=oracle, used=used)


def _picks(attempts: Attempts, pool: list[RunKey], scores: SelectorScores | None) -> Picks:
    if scores is None:
        return dict.fromkeys(attempts.samples, pool[0])
    return picks_by(scores, attempts.samples, pool)


def _rows_of(entry: Entry, plan: Plan) -> tuple[int, ...]:
    """Numbers of the rows that clips are taken from."""
    if (entry.row is None) == (entry.selector is None):
        raise InvalidInputError("Enter either a row of the table or a selector, one of them.")
    if entry.row is not None and entry.subset:
        raise InvalidInputError(
            f"A subset ({listed_numbers(entry.subset)}) is what an ensemble picks from; row "
            f"{entry.row} is entered as it is. Leave one of them out."
        )
    count = plan.loops * len(plan.steps)
    asked = entry.subset or range(1, count + 1) if entry.row is None else (entry.row,)
    if not set(asked) <= set(range(1, count + 1)):
        raise InvalidInputError(f"The table has rows 1 to {count}, not {list(asked)}.")
    return tuple(sorted(set(asked)))


def _seeds_of(entry: Entry, plan: Plan) -> tuple[int, ...]:
    if entry.seed is None:
        return plan.seeds
    if entry.seed not in plan.seeds:
        raise InvalidInputError(
            f"No run has seed {entry.seed}: --seed takes one of {listed_numbers(plan.seeds)}."
        )
    return (entry.seed,)


def _require_few(seeds: Sequence[int], edition: Edition) -> None:
    most = 1 if edition is Edition.ORIGINAL else MOST_RUNS
    if len(seeds) > most:
        takes = "one run" if most == 1 else f"at most {most} runs"
        raise InvalidInputError(
            f"Physics-IQ {edition} takes {takes}, these are {len(seeds)}: enter one seed's with "
            f"--seed, one of {listed_numbers(seeds)}."
        )
