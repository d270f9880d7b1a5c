"""The table as a picture: an SVG file, no plotting package."""

from __future__ import annotations

import functools
import math
from typing import Any

import jinja2

from phyrefine.physics_iq.table_one import Kind, Row, TableOne

_LINE, _LEFT, _RIGHT, _TOP = 24, 260, 680, 44
_FILLS: dict[Kind, str] = {
    "plain": "#8a8f98",
    "loop": "#3b6ea8",
    "random": "#b9bec7",
    "reference-free": "#3a8f5c",
    "oracle": "url(#oracle)",
}


def bars(table: TableOne) -> str:
    """Horizontal bars, one per row, with one deviation as a whisker; oracle rows are hatched."""
    return _template().render(
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


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("phyrefine.physics_iq"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
    )
    return environment.get_template("table_one.svg.jinja")
