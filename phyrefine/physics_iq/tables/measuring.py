"""Finished benchmark folders, measured: one folder, or one for each seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.physics_iq.data.layout import PLAIN, SAMPLES, RunKey
from phyrefine.physics_iq.generation.generating import VIDEOS, read_records
from phyrefine.physics_iq.generation.plan import Plan, expected_keys, read_plan
from phyrefine.physics_iq.scoring.evaluate import Evaluator
from phyrefine.physics_iq.scoring.evaluation import Provenance
from phyrefine.physics_iq.scoring.results import ViewResult
from phyrefine.physics_iq.scoring.truth import GroundTruth
from phyrefine.physics_iq.tables.attempts import Attempts
from phyrefine.physics_iq.tables.table_one import SelectorScores


@attrs.frozen
class Part:
    """A benchmark folder, and what of it is looked at.

    Attributes:
        folder: What :func:`phyrefine.physics_iq.generation.generating.generate` filled.
        plan: Its plan, perhaps with fewer seeds.
    """

    folder: Path
    plan: Plan

    @classmethod
    def read(cls, folder: Path, dataset: PhysicsIQ) -> Part:
        """A whole folder; errors as :func:`phyrefine.physics_iq.generation.plan.read_plan`."""
        return cls(folder, read_plan(folder, dataset))

    def videos(self, key: RunKey) -> Path:
        """Folder of one run's clips."""
        return self.folder / VIDEOS / key.name


@attrs.frozen
class Stored:
    """A finished benchmark, measured.

    Attributes:
        attempts: Measurements of every clip.
        selectors: Scores of reference-free selectors, made while generating.
        provenance: What the measurements stand on.
        videos: Folder of each run's clips.
        prompts: By run: the prompt of each sample's clip.
        notes: What a reader of the table should know.
    """

    attempts: Attempts
    selectors: Mapping[str, SelectorScores]
    provenance: Provenance
    videos: Mapping[RunKey, Path]
    prompts: Mapping[RunKey, Mapping[str, str]]
    notes: tuple[str, ...] = ()


def measure(
    parts: Sequence[Part],
    truth: GroundTruth,
    *,
    cache: Path | None = None,
    jobs: int | None = None,
    progress: bool = False,
) -> Stored:
    """Measure every clip of a benchmark, under one bar.

    Args:
        parts: Its folders: one, or several of one plan with different seeds.
        truth: Ground truth of the same data set.
        cache: Folder of the real side; by default inside the first part's folder.
        jobs: Views at a time.
        progress: Show a bar.

    Raises:
        InvalidInputError: Samples are not finished, or clips do not fit.
    """
    dataset, plan = truth.dataset, parts[0].plan
    records = [read_records(part.folder, dataset.samples) for part in parts]
    videos = {key: part.videos(key) for part in parts for key in expected_keys(part.plan)}
    kept = cache or parts[0].folder / "cache"
    evaluator = Evaluator(truth, cache=kept, jobs=jobs, progress=progress)
    results = evaluator.measure_runs(videos)
    selectors = _in_all(
        [
            complete_selectors(record, expected_keys(part.plan))
            for part, record in zip(parts, records, strict=True)
        ]
    )
    prompts = {
        key: {sample: str(said["rows"][key.name]["prompt"]) for sample, said in record.items()}
        for part, record in zip(parts, records, strict=True)
        for key in expected_keys(part.plan)
    }
    return Stored(
        make_attempts(dataset, results),
        selectors,
        evaluator.provenance,
        videos,
        prompts,
        tuple(_notes(plan, records, selectors, evaluator.provenance)),
    )


def _notes(
    plan: Plan,
    records: Sequence[Mapping[str, Any]],
    selectors: Mapping[str, SelectorScores],
    provenance: Provenance,
) -> list[str]:
    notes = []
    if not selectors:
        notes.append(
            f"No reference-free row: {plan.ensemble} scored no clip or only some (the critic "
            "watches one clip of each prompt). judge, tournament and consensus score all."
        )
    if provenance.samples < SAMPLES:
        notes.append(f"{provenance.samples} of {SAMPLES} samples: not a number to quote.")
    if not provenance.official:
        notes.append("NOT OFFICIAL: the real side was not handled as the official program does.")
    rows = [row for said in records for record in said.values() for row in record["rows"].items()]
    if repeated := sum(row["from"] != name for name, row in rows):
        notes.append(f"{repeated} clips stand for later loops too: the paper's rule had stopped.")
    return notes


def _in_all(found: Sequence[Mapping[str, SelectorScores]]) -> dict[str, SelectorScores]:
    """Selectors that every part has, each with the scores of all parts."""
    common = [name for name in found[0] if all(name in part for part in found)]
    return {
        name: {
            sample: {key: score for part in found for key, score in part[name][sample].items()}
            for sample in found[0][name]
        }
        for name in common
    }


def make_attempts(
    dataset: PhysicsIQ, results: Mapping[RunKey, Mapping[str, ViewResult]]
) -> Attempts:
    """Stored attempts with the data set's edition and categories."""
    categories = {sample.name: sample.category for sample in dataset.samples if sample.category}
    return Attempts(dataset.edition, results, categories)


def complete_selectors(
    records: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]],
    keys: Sequence[RunKey],
) -> dict[str, SelectorScores]:
    """Scores of the selectors that scored every refined clip of every sample.

    Scores of plain clips are kept too.
    """
    places = {key.name: key for key in keys}
    wanted = {name for name, key in places.items() if key.loop > PLAIN}
    names = {name for record in records.values() for name in record["selectors"]}
    selectors: dict[str, SelectorScores] = {}
    for name in sorted(names):
        scores = {sample: record["selectors"].get(name, {}) for sample, record in records.items()}
        if all(wanted <= known.keys() for known in scores.values()):
            selectors[name] = {
                sample: {places[row]: value for row, value in known.items() if row in places}
                for sample, known in scores.items()
            }
    return selectors
