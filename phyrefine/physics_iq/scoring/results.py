"""The benchmark's result table: one row per scene, twelve columns per view, as CSV.

Per-frame metrics are lists, the others numbers. ``v1`` compares a generated clip with take 1,
``v2`` with take 2 (written, never scored), ``variance`` take 1 with take 2.
"""

from __future__ import annotations

import csv
import io
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs
import numpy as np

from phyrefine._atomic import write_bytes
from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.data.layout import VIEWS
from phyrefine.physics_iq.metrics.measures import PairMetrics

Cell = tuple[float, ...] | float | None

LIST_STEMS = (
    "spatiotemporal_iou_v1",
    "spatiotemporal_iou_v2",
    "variance_spatiotemporal_iou",
    "v1_mse",
    "v2_mse",
    "variance_mse",
)
SCALAR_STEMS = (
    "spatial_iou_v1",
    "spatial_iou_v2",
    "variance_spatial",
    "weighted_spatial_iou_v1",
    "weighted_spatial_iou_v2",
    "variance_weighted_spatial",
)
# The official reader takes whatever looks like a number, digits inside words too.
_NUMBER = re.compile(r"[-+]?(?:\d*\.\d+|\d+\.?)(?:[eE][-+]?\d+)?")


@attrs.frozen
class ViewResult:
    """What one sample (a scene from one camera) measured.

    Attributes:
        scene: Scene name without suffix, for example ``"trimmed-ball"``.
        view: One of the three views.
        first: The generated clip against take 1.
        second: The generated clip against take 2.
        variance: Take 1 against take 2.
    """

    scene: str
    view: str
    first: PairMetrics
    second: PairMetrics
    variance: PairMetrics

    def cells(self) -> dict[str, Cell]:
        """The twelve columns of this view."""
        pairs = (("v1", self.first), ("v2", self.second))
        cells: dict[str, Cell] = {}
        for take, pair in pairs:
            cells[f"spatiotemporal_iou_{take}"] = pair.spatiotemporal_iou
            cells[f"{take}_mse"] = pair.mse
            cells[f"spatial_iou_{take}"] = pair.spatial_iou
            cells[f"weighted_spatial_iou_{take}"] = pair.weighted_spatial_iou
        cells["variance_spatiotemporal_iou"] = self.variance.spatiotemporal_iou
        cells["variance_mse"] = self.variance.mse
        cells["variance_spatial"] = self.variance.spatial_iou
        cells["variance_weighted_spatial"] = self.variance.weighted_spatial_iou
        return {f"{stem}_{self.view}": cell for stem, cell in cells.items()}


@attrs.frozen
class ResultTable:
    """The table a score is made of.

    Attributes:
        scenes: Scene of each row, without suffix.
        columns: Cells by column name, one per row; ``None`` where a cell is empty.
    """

    scenes: tuple[str, ...]
    columns: Mapping[str, tuple[Cell, ...]]

    @classmethod
    def of(cls, results: Iterable[ViewResult]) -> ResultTable:
        """Put views together, scenes in order of first appearance."""
        rows: dict[str, dict[str, Cell]] = {}
        for result in results:
            rows.setdefault(result.scene, {}).update(result.cells())
        names = dict.fromkeys(name for row in rows.values() for name in row)
        columns = {name: tuple(row.get(name) for row in rows.values()) for name in names}
        return cls(tuple(rows), columns)

    @classmethod
    def read(cls, path: str | Path) -> ResultTable:
        """Read an official result CSV of either version; errors as :meth:`parse`."""
        try:
            return cls.parse(Path(path).read_text(encoding="utf-8"))
        except InvalidInputError as error:
            raise InvalidInputError(f"{path}: {error}") from error

    @classmethod
    def parse(cls, text: str) -> ResultTable:
        """Read the text of an official result CSV.

        Raises:
            InvalidInputError: No ``scenario`` column, or a list that holds no number.
        """
        # A cell holds 150 numbers; the module's own limit is lower than such a row may get.
        csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
        reader = csv.DictReader(io.StringIO(text))
        names = reader.fieldnames or []
        if "scenario" not in names:
            raise InvalidInputError(f"No column 'scenario' among {list(names)[:4]}.")
        rows = list(reader)
        if any(row["scenario"] is None for row in rows):
            raise InvalidInputError("A row is cut short: it names no scenario.")
        scenes = tuple(row["scenario"].removesuffix(".mp4") for row in rows)
        columns = {
            name: tuple(_parse_cell(name, row[name]) for row in rows)
            for name in names
            if name != "scenario"
        }
        return cls(scenes, columns)

    def views(self) -> tuple[str, ...]:
        """Views that have columns, in the benchmark's order."""
        return tuple(view for view in VIEWS if any(name.endswith(view) for name in self.columns))

    def lists(self, stem: str, view: str) -> tuple[tuple[float, ...], ...] | None:
        """Per-frame cells of a column; ``None`` if there is no such column.

        Raises:
            InvalidInputError: A cell is empty or not a list.
        """
        cells = self.columns.get(f"{stem}_{view}")
        if cells is None:
            return None
        for scene, cell in zip(self.scenes, cells, strict=True):
            if not isinstance(cell, tuple):
                raise InvalidInputError(f"{stem}_{view} of {scene} is {cell!r}, not a list.")
        return cells  # type: ignore[return-value]

    def numbers(self, stem: str, view: str) -> tuple[float, ...] | None:
        """Scalar cells of a column, NaN where empty; ``None`` if there is no such column."""
        cells = self.columns.get(f"{stem}_{view}")
        if cells is None:
            return None
        return tuple(cell if isinstance(cell, float) else float("nan") for cell in cells)

    def to_csv(self) -> str:
        """The official CSV text: scenes with ``.mp4``, lists of plain floats, no rounding."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["scenario", *self.columns])
        for index, scene in enumerate(self.scenes):
            cells = [self.columns[name][index] for name in self.columns]
            writer.writerow([f"{scene}.mp4", *map(_spell, cells)])
        return out.getvalue()

    def write(self, path: Path) -> Path:
        """Write the official CSV, whole or not at all."""
        write_bytes(path, self.to_csv().encode())
        return path


def _parse_cell(name: str, text: str | None) -> Cell:
    if not text:
        return None
    if not name.startswith(LIST_STEMS):
        return float(text)
    if not (text.startswith("[") and text.endswith("]")):
        raise InvalidInputError(f"{name} is not a list in brackets: {text[:60]!r}.")
    numbers = tuple(float(part) for part in _NUMBER.findall(text))
    if not numbers:
        raise InvalidInputError(f"{name} holds a list without numbers: {text[:60]!r}.")
    return numbers


def _spell(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, tuple):
        return str([float(value) for value in cell])
    return repr(float(cell))


def rounded(values: Sequence[float], digits: int = 4) -> list[float]:
    """Per-frame values as the scorers read them: exact decimal rounding of each double."""
    return [round(value, digits) for value in values]


def mean_rounded(values: Sequence[float]) -> float:
    """Mean of per-frame values as the scorers read them."""
    return float(np.mean(rounded(values)))


def mean_of_known(values: Sequence[float]) -> float:
    """Mean that skips NaN, as the official tables do; NaN if nothing is known."""
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
