"""What a reader of a table must know before comparing it with another one."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from phyrefine.bench.benchmark import Benchmark, Prompts
from phyrefine.bench.judges.row import JudgeRow
from phyrefine.bench.judges.row_judge import Ratings
from phyrefine.bench.judges.table import CHECKED

# Below this percentile intervals of a mean cover clearly less than they say.
FEW_PROMPTS = 30


def notes_on(
    suite: Benchmark,
    found: Prompts,
    row: JudgeRow,
    ratings: Mapping[tuple[str, str], Ratings],
    *,
    generator: str,
) -> tuple[str, ...]:
    """The notes under a table, most important first."""
    marks = " and ".join(f"{name} >= {row.marks[name]:g}" for name in row.joint)
    notes = [
        f"Prompts: {len(found.items)} of {found.total} of {found.path.name}. Clips: {generator}.",
        f"Scores from {row.low} to {row.high}; brackets are 95 % bootstrap intervals over prompts.",
    ]
    if len(found.items) < FEW_PROMPTS:
        notes.append(f"Fewer than {FEW_PROMPTS} prompts: bootstrap intervals are too narrow here.")
    if row.joint:
        whose = "as its authors define it" if row.joint_published else "phyrefine's definition"
        notes.append(f"joint: share of prompts with {marks}, {whose}.")
    if len(found.items) < found.total:
        notes.append("Fewer prompts than the benchmark has: not a score of the benchmark.")
    if suite.prompts is not None and found.total != suite.prompts:
        notes.append(f"The authors' file has {suite.prompts} prompts, this one {found.total}.")
    if suite.own_scores:
        notes.append(suite.own_scores)
    notes += list(found.notes)
    if row.told_laws and any(item.laws for item in found.items):
        notes.append("The judge was told the law that the benchmark names for each prompt.")
    notes += _on_ratings(ratings)
    notes += [f"Benchmark: {trap}" for trap in suite.traps]
    notes += [f"Judge: {trap}" for trap in row.traps]
    notes.append(f"Table of judges as of {CHECKED}. {row.verified}")
    return tuple(notes)


def _on_ratings(ratings: Mapping[tuple[str, str], Ratings]) -> list[str]:
    lines = []
    without = [key for key, one in ratings.items() if "pc" not in one.scores]
    unassessable = sum(one.assessable is False for one in ratings.values())
    spreads = [one.spread["pc"] for one in ratings.values() if "pc" in one.spread]
    if spreads:
        told = statistics.fmean(spreads)
        lines.append(f"Repeated looks at a clip differ by {told:.2f} in pc (standard deviation).")
    if unassessable:
        lines.append(f"{unassessable} clips could not be assessed: the event does not appear.")
    unread = len(without) - unassessable
    if unread > 0:
        reason = next((one.problems[0] for one in ratings.values() if one.problems), "")
        because = f", such as: {reason}" if reason else ""
        lines.append(f"{unread} clips have no physics score{because}. They are left out of means.")
    return lines
