"""Results as tables: one for each generator and budget, arms paired by scene."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import numpy as np

from benchmarks.world.records import Record
from benchmarks.world.statistics import ByScene, difference, interval

AGAINST = ("one sample", "random in the moving half")
ORACLE, RANDOM = "oracle (GROUND TRUTH)", "random"
REST = ("share of the oracle's gain", "rank correlation", "truly wrong", "repaired", "motion",
        "clips", "chunks", "calls", "tokens", "words")  # fmt: skip


def tables(records: Iterable[Record], against: Sequence[str] = AGAINST) -> list[dict[str, Any]]:
    """Every table as data, ready for JSON.

    Args:
        records: Of any arms, generators and budgets.
        against: Arms from which every arm's difference is told.
    """
    groups: dict[tuple[str, str, str, int], list[Record]] = {}
    for record in records:
        group = (record.variant, record.generator, record.pool, record.budget)
        groups.setdefault(group, []).append(record)
    return [
        {"variant": variant, "generator": generator, "pool": pool, "budget": budget,
         "against": list(against), "rows": rows(group, against)}
        for (variant, generator, pool, budget), group in sorted(groups.items())
    ]  # fmt: skip


def rows(records: Sequence[Record], against: Sequence[str] = AGAINST) -> list[dict[str, Any]]:
    """One row for each arm, in the order in which arms were first recorded."""
    arms: dict[str, list[Record]] = {}
    for record in records:
        arms.setdefault(record.arm, []).append(record)
    scores = {arm: by_scene(found, "score") for arm, found in arms.items()}
    return [_row(arm, found, scores, against) for arm, found in arms.items()]


def by_scene(records: Iterable[Record], value: str) -> ByScene:
    """A value by scene; scenes without it are left out."""
    return {r.scene: r.values[value] for r in records if np.isfinite(r.values.get(value, np.nan))}


def _row(
    arm: str, records: Sequence[Record], scores: dict[str, ByScene], against: Sequence[str]
) -> dict[str, Any]:
    mine = scores[arm]
    row: dict[str, Any] = {"arm": arm, "score": attrs.asdict(interval(mine))}
    for other in against:
        shared = other in scores and mine.keys() & scores[other].keys()
        row[f"against {other}"] = attrs.asdict(difference(mine, scores[other])) if shared else None
    row["share"] = _share(mine, scores)
    names = ("rank_correlation", "wrong", "motion", "clips", "chunks", "calls", "tokens", "words",
             "spatial", "temporal", "weighted", "mse")  # fmt: skip
    row |= {name: _mean(by_scene(records, name)) for name in names}
    first_wrong = [r for r in records if r.values.get("first_wrong") == 1.0]
    right = [1.0 - r.values["wrong"] for r in first_wrong]
    row["repaired"] = {"right": sum(right), "of": len(right)} if right else None
    return row


def _share(mine: ByScene, scores: dict[str, ByScene]) -> float | None:
    if not {ORACLE, RANDOM} <= scores.keys():
        return None
    shared = mine.keys() & scores[ORACLE].keys() & scores[RANDOM].keys()
    gain = sum(mine[s] - scores[RANDOM][s] for s in shared)
    most = sum(scores[ORACLE][s] - scores[RANDOM][s] for s in shared)
    return gain / most if most else None


def _mean(values: ByScene) -> float | None:
    return float(np.mean(list(values.values()))) if values else None


def markdown(found: Sequence[dict[str, Any]]) -> str:
    """The tables as Markdown."""
    lines = []
    for table in found:
        scenes = max(row["score"]["scenes"] for row in table["rows"])
        head = ("arm", "score", *(f"against {other}" for other in table["against"]), *REST)
        lines += [
            f"\n### {table['variant']} ({table['generator']}), budget {table['budget']}, pool {table['pool']}, {scenes} scenes\n",
            f"| {' | '.join(head)} |",
            "|" + "---|" * len(head),
            *(f"| {' | '.join(_cells(row, table['against']))} |" for row in table["rows"]),
        ]
    return "\n".join(lines)


def _cells(row: dict[str, Any], against: Sequence[str]) -> list[str]:
    repaired = row["repaired"]
    return [
        row["arm"],
        _interval(row["score"]),
        *(_interval(row[f"against {other}"], signed=True) for other in against),
        _number(row["share"], ".0%"),
        _number(row["rank_correlation"], "+.2f"),
        _number(row["wrong"], ".0%"),
        f"{repaired['right']:.0f} of {repaired['of']}" if repaired else "-",
        _number(row["motion"], ".2f"),
        *(_number(row[name], ".0f") for name in ("clips", "chunks", "calls", "tokens", "words")),
    ]


def _interval(value: dict[str, Any] | None, *, signed: bool = False) -> str:
    if value is None:
        return "-"
    sign = "+" if signed else ""
    return f"{value['mean']:{sign}.1f} [{value['low']:.1f}, {value['high']:.1f}]"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
