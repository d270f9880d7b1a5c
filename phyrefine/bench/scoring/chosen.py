"""The clip that the run's own rule chose of each prompt, as a row of the table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from phyrefine.bench.benchmark import Item
from phyrefine.bench.judges.row_judge import Ratings
from phyrefine.bench.scoring.judging import CHOSEN


def with_chosen(
    ratings: Mapping[tuple[str, str], Ratings],
    items: Sequence[Item],
    records: Mapping[str, Any],
    rows: Sequence[str],
    selector: str,
) -> dict[tuple[str, str], Ratings]:
    """The ratings, and those of the chosen clips under ``chosen by SELECTOR``.

    The choice is the selector's, made before any judge saw a clip: the highest score, the earlier
    clip on a tie. No row is added where it scored nothing, or where there is one clip to choose.

    Args:
        ratings: By (row, clip's name).
        items: The prompts.
        records: Of generation, by clip's name.
        rows: Names of the runs, in order.
        selector: Name of the rule.
    """
    found = dict(ratings)
    if len(rows) < 2:
        return found
    chosen: dict[tuple[str, str], Ratings] = {}
    for item in items:
        scores = records[item.name]["selectors"].get(selector, {})
        known = [row for row in rows if math.isfinite(scores.get(row, math.nan))]
        if not known:
            return found
        best = max(known, key=lambda row: float(scores[row]))
        if (best, item.name) in ratings:
            chosen[f"{CHOSEN}{selector}", item.name] = ratings[best, item.name]
    return found | chosen
