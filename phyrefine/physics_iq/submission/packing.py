"""From a benchmark folder to a submission pack: which clips, how they were chosen, what to say.

How the clips were chosen is read from the folder, not from the caller: a row of the table, or a
selector whose scores were stored while generating, which cannot open ground truth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.physics_iq.data.decoding import probe
from phyrefine.physics_iq.data.layout import Edition, RunKey
from phyrefine.physics_iq.generation.generating import VIDEOS, read_records
from phyrefine.physics_iq.generation.plan import Plan, expected_keys, origin, read_plan
from phyrefine.physics_iq.scoring.aggregate import MOST_RUNS
from phyrefine.physics_iq.scoring.evaluate import Evaluation
from phyrefine.physics_iq.scoring.truth import GroundTruth
from phyrefine.physics_iq.submission.card import Finding
from phyrefine.physics_iq.submission.making import Selection, require_clean, require_new, write_pack
from phyrefine.physics_iq.tables.attempts import Attempts, Picks, picks_by
from phyrefine.physics_iq.tables.scoring import complete_selectors, measure_bench
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
    plan = read_plan(folder, dataset)
    rows = _rows_of(entry, plan)
    selection = _selection(entry, dataset.edition)
    require_clean(selection, dataset.edition)
    entered = attrs.evolve(plan, seeds=_seeds_of(entry, plan))
    scores = _scores_of(entry, folder, dataset, entered)
    _require_few(entered.seeds, dataset.edition)
    truth = GroundTruth(dataset, plan.fps)
    stored = measure_bench(folder, truth, entered, cache=cache, jobs=jobs)
    attempts = stored.attempts
    records = read_records(folder, dataset.samples)
    runs: dict[str, dict[str, Path]] = {}
    prompts: dict[str, dict[str, str]] = {}
    evaluations = []
    for number, seed in enumerate(entered.seeds, start=1):
        picks = _picks(attempts, [RunKey(*attempts.rows[row - 1], seed) for row in rows], scores)
        name = f"{_slug(plan.generator)}-{plan.mode}-run_{number:02d}"
        runs[name] = {
            f"{sample}.mp4": folder / VIDEOS / key.name / f"{sample}.mp4"
            for sample, key in picks.items()
        }
        prompts[name] = {
            f"{sample}.mp4": records[sample]["rows"][key.name]["prompt"]
            for sample, key in picks.items()
        }
        evaluations.append(Evaluation(attempts.combined(picks), stored.provenance))
    clip = next(iter(next(iter(runs.values())).values()))
    known = public_info(
        folder, plan, seeds=entered.seeds, rows=[attempts.rows[row - 1] for row in rows], clip=clip
    )
    return write_pack(
        out,
        runs,
        evaluations,
        descriptions=dataset.descriptions,
        prompts=prompts,
        public_info={**known, **(info or {})},
        selection=selection,
    )


def public_info(
    folder: Path,
    plan: Plan,
    *,
    seeds: Sequence[int],
    rows: Sequence[tuple[int, int]],
    clip: Path,
) -> dict[str, Any]:
    """What the folder says for the card; the rest is left empty to be filled in.

    Args:
        folder: Of the benchmark run.
        plan: Its plan.
        seeds: Those of the plan's seeds that are entered.
        rows: (loop, steps) of the clips that each delivered one was chosen from.
        clip: One of the delivered clips.
    """
    made = origin(folder)
    facts = probe(clip)
    listed = "; ".join(f"loop {loop}, {steps or 'default'} denoising steps" for loop, steps in rows)
    others = "" if tuple(seeds) == plan.seeds else f" of {_listed(plan.seeds)}"
    program = f"phyrefine {made.get('version', '')}".strip()
    method = (
        f"{program}: {plan.vlm} criticises, {plan.llm} rewrites, "
        f"{plan.loops} loops, chain {plan.chain}{', verbatim' if plan.paper else ''}"
    )
    return {
        "organization": None,
        "model": plan.generator,
        "model_version": made.get("generator") or plan.generator,
        "input_type": plan.mode,
        "resolution": f"{facts.width}x{facts.height}",
        "bon_sampling": len(rows),
        "prompt_upsampling": True,
        "prompt_upsampling_method": method,
        "descriptions": None,
        "availability": None,
        "model_source": None,
        "date": made.get("date") or None,
        "comments": f"Clips of {listed}. Seeds {_listed(seeds)}{others}.",
        "generation_cost": None,
    }


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
            f"A subset ({_listed(entry.subset)}) is what an ensemble picks from; row {entry.row} "
            "is entered as it is. Leave one of them out."
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
            f"No run has seed {entry.seed}: --seed takes one of {_listed(plan.seeds)}."
        )
    return (entry.seed,)


def _require_few(seeds: Sequence[int], edition: Edition) -> None:
    most = 1 if edition is Edition.ORIGINAL else MOST_RUNS
    if len(seeds) > most:
        takes = "one run" if most == 1 else f"at most {most} runs"
        raise InvalidInputError(
            f"Physics-IQ {edition} takes {takes}, these are {len(seeds)}: enter one seed's with "
            f"--seed, one of {_listed(seeds)}."
        )


def _scores_of(entry: Entry, folder: Path, dataset: PhysicsIQ, plan: Plan) -> SelectorScores | None:
    """Scores of the entry's selector; ``None`` for a row."""
    if entry.selector is None:
        return None
    records = read_records(folder, dataset.samples)
    there = complete_selectors(records, expected_keys(plan))
    if entry.selector not in there:
        raise InvalidInputError(
            f"No selector {entry.selector!r} scored every clip of this run; there are "
            f"{sorted(there) or 'none'}."
        )
    return there[entry.selector]


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")
