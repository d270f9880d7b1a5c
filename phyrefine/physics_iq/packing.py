"""From a benchmark folder to a submission pack: which clips, how they were chosen, what to say.

How the clips were chosen is read from the folder, not from the caller: a row of the table, or a
selector whose scores were stored while generating, which cannot open ground truth.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.attempts import Attempts, Picks, picks_by
from phyrefine.physics_iq.card import Finding
from phyrefine.physics_iq.dataset import PhysicsIQ
from phyrefine.physics_iq.evaluate import Evaluation
from phyrefine.physics_iq.generation import VIDEOS, Plan, read_plan
from phyrefine.physics_iq.layout import RunKey
from phyrefine.physics_iq.scoring import Stored, measure_bench
from phyrefine.physics_iq.submission import Selection, require_clean, write_pack


@attrs.frozen
class Entry:
    """What is entered.

    Attributes:
        row: Number of a row of the table; ``None`` for an ensemble.
        selector: Name of a stored reference-free selector; ``None`` for a row.
        subset: Rows the selector picks from; empty for all refined rows.
    """

    row: int | None = None
    selector: str | None = None
    subset: tuple[int, ...] = ()


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
    """Write the submission pack of a finished benchmark folder, a run for each seed.

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
        InvalidInputError: The entry has no place on a leaderboard, or the folder is not finished
            or of the other edition.
        VideoError: A clip cannot be cut to 5 s.
    """
    plan = read_plan(folder, dataset)
    # The oracle is not among the stored selectors; asking for it gets the reason, not a lookup.
    oracle = entry.selector == "oracle"
    used = frozenset({dataset.edition}) if oracle else frozenset()
    selection = Selection(entry.selector or "none", oracle=oracle, used=used)
    require_clean(selection, dataset.edition)
    stored = measure_bench(folder, dataset, plan, cache=cache, jobs=jobs)
    runs: dict[str, dict[str, Path]] = {}
    evaluations = []
    for number, seed in enumerate(stored.attempts.seeds, start=1):
        picks = _picks(stored, entry, seed)
        name = f"{_slug(plan.generator)}-{plan.mode}-run_{number:02d}"
        runs[name] = {
            f"{sample}.mp4": folder / VIDEOS / key.name / f"{sample}.mp4"
            for sample, key in picks.items()
        }
        evaluations.append(Evaluation(stored.attempts.combined(picks), stored.provenance))
    pool = len(_pool(stored.attempts, entry, stored.attempts.seeds[0]))
    return write_pack(
        out,
        runs,
        evaluations,
        descriptions=dataset.descriptions,
        public_info={**public_info(folder, plan, pool), **(info or {})},
        selection=selection,
    )


def public_info(folder: Path, plan: Plan, pool: int) -> dict[str, Any]:
    """What the manifest and the plan say for the card; the rest is left empty to be filled in.

    Args:
        folder: Of the benchmark run.
        plan: Its plan.
        pool: Clips each delivered one was chosen from.
    """
    manifests = sorted(folder.glob("run*/manifest.json"))
    manifest = json.loads(manifests[0].read_text()) if manifests else {}
    identity = manifest.get("spec", {}).get("backends", {}).get("generator", plan.generator)
    versions = manifest.get("environment", {}).get("versions", {})
    height, width = plan.size
    steps = ", ".join(str(step) if step else "default" for step in plan.steps)
    method = (
        f"phyrefine {versions.get('phyrefine', '')}: {plan.vlm} criticises, {plan.llm} rewrites, "
        f"{plan.loops} loops, chain {plan.chain}{', verbatim' if plan.paper else ''}"
    )
    return {
        "organization": None,
        "model": plan.generator,
        "model_version": identity,
        "input_type": plan.mode,
        "resolution": f"{width}x{height}",
        "bon_sampling": pool,
        "prompt_upsampling": True,
        "prompt_upsampling_method": method,
        "descriptions": None,
        "availability": None,
        "model_source": None,
        "date": str(manifest.get("created", ""))[:10] or None,
        "comments": f"Denoising steps {steps}; seeds {', '.join(map(str, plan.seeds))}.",
        "generation_cost": None,
    }


def _pool(attempts: Attempts, entry: Entry, seed: int) -> list[RunKey]:
    rows = attempts.rows
    if (entry.row is None) == (entry.selector is None):
        raise InvalidInputError("Enter either a row of the table or a selector, one of them.")
    asked: Sequence[int] = (
        (entry.row,) if entry.row is not None else entry.subset or range(1, len(rows) + 1)
    )
    if not set(asked) <= set(range(1, len(rows) + 1)):
        raise InvalidInputError(f"The table has rows 1 to {len(rows)}, not {list(asked)}.")
    return [RunKey(*rows[number - 1], seed) for number in asked]


def _picks(stored: Stored, entry: Entry, seed: int) -> Picks:
    pool = _pool(stored.attempts, entry, seed)
    if entry.selector is None:
        return dict.fromkeys(stored.attempts.samples, pool[0])
    if entry.selector not in stored.selectors:
        raise InvalidInputError(
            f"No selector {entry.selector!r} scored every clip of this run; there are "
            f"{sorted(stored.selectors) or 'none'}."
        )
    return picks_by(stored.selectors[entry.selector], stored.attempts.samples, pool)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")
