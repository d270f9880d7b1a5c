"""Reads a folder again and again and says where the whole of it stands."""

from __future__ import annotations

import collections
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from attrs import define, field, frozen

from phyrefine.errors import StoreError
from phyrefine.run.following.presence import Presence, presence_in
from phyrefine.run.following.progress import (
    Failure,
    Kind,
    RunProgress,
    ScenarioProgress,
    SeenClip,
    Spent,
)
from phyrefine.run.following.tail import JournalTail
from phyrefine.run.runner import MANIFEST
from phyrefine.run.store.disk import absence, read_json

BENCH, SWEEP, SWEEP_TABLE = "bench.json", "sweep.json", "table.csv"
SAMPLES = "samples"
Timed = TypeVar("Timed", SeenClip, Failure)
_LONG_AGO = dt.datetime.min.replace(tzinfo=dt.UTC)


@frozen
class Progress:
    """Where a run, a benchmark or a sweep stands.

    Attributes:
        folder: What is followed.
        kind: What it is.
        runs: Its run folders: one of a run, one per shard of a benchmark, one per combination.
        counts: Scenarios by state; those not begun yet are ``waiting``.
        planned: Scenarios in all, where that is known.
        spent: What all calls took.
        generators: (busy, all); ``None`` where it is not known.
        clips: The latest clips, the newest first.
        errors: The latest failed calls and lost workers in words, the newest first.
        presence: Whether a process is at work there.
        holder: Which, in words.
    """

    folder: Path
    kind: Kind
    runs: tuple[RunProgress, ...]
    counts: dict[str, int]
    planned: int | None
    spent: Spent
    generators: tuple[int, int] | None
    clips: tuple[SeenClip, ...]
    errors: tuple[str, ...]
    presence: Presence
    holder: str

    @property
    def working(self) -> bool:
        """Whether a process is at work there, as far as can be seen."""
        return self.presence in ("alive", "elsewhere")

    @property
    def changed(self) -> dt.datetime | None:
        """When the last event came."""
        return max((run.changed for run in self.runs if run.changed), default=None)

    @property
    def unread(self) -> int:
        """Events that could not be understood, such as those of another version."""
        return sum(run.unread for run in self.runs)

    @property
    def begun(self) -> dt.datetime | None:
        """When the first of the runs was opened for the first time."""
        return min((run.begun for run in self.runs if run.begun), default=None)

    @property
    def scenarios(self) -> Iterator[tuple[str, ScenarioProgress]]:
        """(run's name, scenario) of every scenario known."""
        for run in self.runs:
            for one in run.scenarios.values():
                yield run.folder.name, one


@define
class Follower:
    """Follows a run folder, a benchmark's or a sweep's; reads only what is new at each look.

    Attributes:
        folder: What to follow.
        keep: How many of the latest clips and errors to remember.
    """

    folder: Path = field(converter=Path)
    keep: int = 6
    _runs: dict[Path, RunProgress] = field(factory=dict, init=False)
    _tails: dict[Path, JournalTail] = field(factory=dict, init=False)

    def look(self) -> Progress:
        """Where it stands now.

        Raises:
            StoreError: The folder holds nothing that can be followed.
        """
        kind, folders = kind_of(self.folder)
        for run_dir in folders:
            run = self._runs.setdefault(run_dir, RunProgress(run_dir))
            for path in sorted(run_dir.glob("events*.jsonl")):
                tail = self._tails.setdefault(path, JournalTail(path))
                for event in tail.new():
                    run.hear(path.name, event, keep=self.keep)
        benches = benches_in(self.folder) if kind == "benchmark" else []
        presence, holder = presence_in(list(dict.fromkeys([self.folder, *benches, *folders])))
        runs = tuple(self._runs[run_dir] for run_dir in folders)
        if presence in ("nobody", "dead"):
            _nobody_works(runs)
        planned = _planned(self.folder, kind, runs, benches)
        busy = [pair for run in runs for pair in run.generators.values()]
        return Progress(
            self.folder,
            kind,
            runs,
            _counts(runs, benches, planned),
            # Seeds of a recipe that are not begun have no folder yet.
            planned if kind != "benchmark" or benches == [self.folder] else None,
            _sum([run.spent for run in runs]),
            (sum(one for one, _ in busy), sum(all_ for _, all_ in busy)) if busy else None,
            _latest([clip for run in runs for clip in run.clips], self.keep),
            tuple(
                call.words
                for call in _latest([one for run in runs for one in run.errors], self.keep)
            ),
            presence,
            holder,
        )


def kind_of(folder: Path) -> tuple[Kind, list[Path]]:
    """What a folder is, and its run folders.

    Raises:
        StoreError: It is not there, or nothing of ours.
    """
    if (folder / MANIFEST).exists():
        return "run", [folder]
    benches = benches_in(folder)
    if benches:
        within = [run for bench in benches for run in bench.glob(f"*/{MANIFEST}")]
        return "benchmark", sorted(path.parent for path in within)
    inner = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
    if (folder / SWEEP).exists() or (inner and (folder / SWEEP_TABLE).exists()):
        return "sweep", inner
    if inner:
        return "runs", inner
    raise StoreError(
        f"{folder} {absence(folder, 'is no run folder')}: pass the folder of a run, a benchmark or "
        "a sweep, as in --out."
    )


def benches_in(folder: Path) -> list[Path]:
    """Benchmark folders: the folder itself, or those of a recipe's seeds in it."""
    if (folder / BENCH).exists():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{BENCH}"))


def _planned(
    folder: Path, kind: Kind, runs: tuple[RunProgress, ...], benches: list[Path]
) -> int | None:
    """Scenarios in all, by what the commands note when they begin."""
    if kind == "sweep":
        return _noted(folder / SWEEP)
    if kind == "benchmark":
        noted = [_noted(bench / BENCH) for bench in benches]
        known = [count for count in noted if count is not None]
        return sum(known) if len(known) == len(noted) else None
    return runs[0].planned if kind == "run" else None


def _noted(path: Path) -> int | None:
    try:
        there = read_json(path)
    except ValueError:
        return None
    count = there.get("scenarios") if isinstance(there, dict) else None
    return count if isinstance(count, int) else None


def _counts(
    runs: tuple[RunProgress, ...], benches: list[Path], planned: int | None
) -> dict[str, int]:
    counts: collections.Counter[str] = collections.Counter(
        one.state for run in runs for one in run.scenarios.values()
    )
    # Run folders may be deleted once their samples are finished; the records stay.
    kept = sum(len(list((bench / SAMPLES).glob("*.json"))) for bench in benches)
    if kept:
        counts["done"] = max(counts["done"], kept)
    if planned is not None:
        counts["waiting"] += max(0, planned - sum(counts.values()))
    return dict(counts)


def _nobody_works(runs: tuple[RunProgress, ...]) -> None:
    for run in runs:
        run.generators.clear()
        for one in run.scenarios.values():
            if one.state == "running":
                one.state, one.ending = "stopped", "interrupted"


def _latest(things: list[Timed], count: int) -> tuple[Timed, ...]:
    """The newest of several runs' things, the newest first."""
    ordered = sorted(things, key=lambda one: one.time or _LONG_AGO)
    return tuple(reversed(ordered[-count:]))


def _sum(parts: list[Spent]) -> Spent:
    whole = Spent()
    for part in parts:
        for name in Spent.__attrs_attrs__:
            setattr(whole, name.name, getattr(whole, name.name) + getattr(part, name.name))
    return whole
