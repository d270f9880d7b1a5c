"""The table as pictures: SVG files, no plotting package."""

from __future__ import annotations

import functools
import math
from typing import Any

import jinja2

from phyrefine.physics_iq.data.layout import CATEGORIES
from phyrefine.physics_iq.tables.table_one import Kind, Row, TableOne

_LINE, _LEFT, _RIGHT, _TOP = 24, 260, 680, 44
_PANEL, _ACROSS = 190, 3
_COLORS = ("#3b6ea8", "#c46a2b", "#3a8f5c", "#8c4a8f")
_FILLS: dict[Kind, str] = {
    "plain": "#8a8f98",
    "given": "#b8860b",
    "loop": "#3b6ea8",
    "random": "#b9bec7",
    "reference-free": "#3a8f5c",
    "oracle": "url(#oracle)",
}


def bars(table: TableOne) -> str:
    """Horizontal bars, one per row, with one deviation as a whisker; oracle rows are hatched."""
    return _template("table_one.svg.jinja").render(
        table=table,
        rows=[_bar(row, _TOP + _LINE * index) for index, row in enumerate(table.rows)],
        ticks=[{"x": _x(percent), "percent": percent} for percent in range(0, 101, 25)],
        left=_LEFT,
        right=_RIGHT,
        top=_TOP,
        width=_RIGHT + 120,
        height=_TOP + _LINE * len(table.rows) + 34,
    )


def _bar(row: Row, y: int) -> dict[str, Any]:
    mean, std = row.score.mean, row.score.std
    shown = 0.0 if math.isnan(mean) else mean
    return {
        "y": y,
        "label": row.label if row.number is None else f"{row.number}. {row.label}",
        "length": _x(shown) - _LEFT,
        "fill": _FILLS[row.kind],
        "score": str(row.score),
        "whisker": None if math.isnan(std) else (_x(shown - std), _x(shown + std)),
    }


def _x(percent: float) -> float:
    inside = min(max(percent, 0.0), 100.0)
    return round(_LEFT + (_RIGHT - _LEFT) * inside / 100, 1)


def curves(table: TableOne) -> str:
    """Score against loop, loop 0 being the plain description: all samples, then each category.

    A line per step count, with one deviation as a whisker.
    """
    names = [name for name in CATEGORIES if any(name in row.categories for row in table.rows)]
    panels = [("all samples", None), *((name, name) for name in names)]
    steps = sorted({row.place[1] for row in table.rows if row.place is not None})
    last = max((row.place[0] for row in table.rows if row.place is not None), default=0)
    return _template("loops.svg.jinja").render(
        table=table,
        panels=[
            {
                "title": title,
                "x": 56 + (_PANEL + 40) * (index % _ACROSS),
                "y": 70 + (_PANEL + 56) * (index // _ACROSS),
                "lines": [_line(table, number, count, name, last)
                          for number, count in enumerate(steps)],
            }
            for index, (title, name) in enumerate(panels)
        ],
        side=_PANEL,
        loops=[{"number": loop, "x": _across(loop, last)} for loop in range(last + 1)],
        keys=[{"name": f"{count} steps" if count else "default steps",
               "color": _COLORS[number % len(_COLORS)]} for number, count in enumerate(steps)],
        width=56 + (_PANEL + 40) * min(len(panels), _ACROSS),
        height=70 + (_PANEL + 56) * math.ceil(len(panels) / _ACROSS),
    )  # fmt: skip


def _line(
    table: TableOne, number: int, steps: int, category: str | None, last: int
) -> dict[str, Any]:
    points = []
    for row in table.rows:
        if row.place is None or row.place[1] != steps:
            continue
        score = row.score if category is None else row.categories[category]
        if math.isnan(score.mean):
            continue
        spread = 0.0 if math.isnan(score.std) else score.std
        x = _across(row.place[0], last)
        ends = _up(score.mean - spread), _up(score.mean + spread)
        points.append({"x": x, "y": _up(score.mean), "ends": ends, "score": str(score)})
    return {"points": points, "color": _COLORS[number % len(_COLORS)]}


def _across(loop: int, last: int) -> float:
    return round(_PANEL * loop / max(last, 1), 1)


def _up(percent: float) -> float:
    return round(_PANEL * (1 - min(max(percent, 0.0), 100.0) / 100), 1)


@functools.cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("phyrefine.physics_iq"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
    )
    return environment.get_template(name)
