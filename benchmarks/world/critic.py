"""How good the critic is on a pool: precision and recall of "something is wrong here"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmarks.world.measuring import Figures


def critic_row(found: Iterable[Figures]) -> dict[str, Any]:
    """Counts and shares over clips; ``wrong`` is by the truth's own threshold."""
    clips = [(bool(one.seen.critique.violations), one.truth.wrong) for one in found]
    complained = sum(said for said, _ in clips)
    wrong = sum(true for _, true in clips)
    both = sum(said and true for said, true in clips)
    return {
        "clips": len(clips),
        "truly wrong": wrong,
        "complained about": complained,
        "precision": both / complained if complained else None,
        "recall": both / wrong if wrong else None,
    }


def critic_lines(rows: dict[str, dict[str, Any]]) -> str:
    """A Markdown table of :func:`critic_row` by generator."""
    head = ("clips", "truly wrong", "complained about", "precision", "recall")
    lines = [f"\n| critic on the pool of | {' | '.join(head)} |", "|" + "---|" * (len(head) + 1)]
    for name, row in rows.items():
        cells = [_cell(row[key]) for key in head]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.2f}"
