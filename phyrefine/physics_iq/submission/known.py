"""What a benchmark folder says for the submission card."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phyrefine.physics_iq.data.decoding import probe
from phyrefine.physics_iq.generation.plan import Plan, origin


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
    clips = "; ".join(f"loop {loop}, {steps or 'default'} denoising steps" for loop, steps in rows)
    others = "" if tuple(seeds) == plan.seeds else f" of {listed_numbers(plan.seeds)}"
    program = f"phyrefine {made.get('version', '')}".strip()
    method = (
        f"{program}: {plan.vlm} criticises, {plan.llm} rewrites, "
        f"{plan.loops} loops, chain {plan.chain}{', verbatim' if plan.paper else ''}"
        f"{f', search {plan.search}' if plan.search else ''}"
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
        "comments": f"Clips of {clips}. Seeds {listed_numbers(seeds)}{others}.",
        "generation_cost": None,
    }


def listed_numbers(numbers: Sequence[int]) -> str:
    """Numbers with commas between."""
    return ", ".join(map(str, numbers))


def slug(name: str) -> str:
    """A name in small letters, digits, dots and dashes, for a folder."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")
