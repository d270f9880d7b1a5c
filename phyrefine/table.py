"""A small table for people: plain text in a terminal, HTML in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import field, frozen

from phyrefine import _display, _upward
from phyrefine.errors import InvalidInputError


def _rows(value: Sequence[Sequence[Any]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(row) for row in value)


def _strings(value: Sequence[str]) -> tuple[str, ...]:
    return tuple(value)


@frozen
class Table:
    """Rows under named columns.

    Attributes:
        columns: Headings.
        rows: Cells, as many per row as ``columns``. Numbers are shown with four significant
            digits, ``None`` as a dash; for other formats pass text.
        caption: What the table shows.
        notes: Lines under it: what was held apart, what a label means.

    Raises:
        InvalidInputError: A row has more or fewer cells than there are columns.
    """

    columns: tuple[str, ...] = field(converter=_strings)
    rows: tuple[tuple[Any, ...], ...] = field(converter=_rows)
    caption: str = ""
    notes: tuple[str, ...] = field(default=(), converter=_strings)

    def __attrs_post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise InvalidInputError(
                    f"A row of {len(row)} cells does not fit {len(self.columns)} columns: {row!r}."
                )

    @property
    def cells(self) -> tuple[tuple[str, ...], ...]:
        """The rows as they are shown."""
        return tuple(tuple(shown(cell) for cell in row) for row in self.rows)

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Columns that hold numbers only; they are set flush right."""
        return tuple(
            all(cell is None or _is_number(cell) for cell in column)
            for column in zip(*self.rows, strict=True)
        ) or tuple(False for _ in self.columns)

    def __str__(self) -> str:
        lines = [self.columns, *self.cells]
        widths = [max(len(line[index]) for line in lines) for index in range(len(self.columns))]
        body = ["  ".join(self._aligned(line, widths)).rstrip() for line in lines]
        rule = "  ".join("-" * width for width in widths)
        head = [self.caption] if self.caption else []
        return "\n".join([*head, body[0], rule, *body[1:], *self.notes])

    def _aligned(self, line: Sequence[str], widths: Sequence[int]) -> list[str]:
        return [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, self.numeric, strict=True)
        ]

    def to_frame(self) -> Any:
        """A ``pandas.DataFrame`` of the same columns.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        return _upward.frame(self.rows, self.columns)

    def _repr_html_(self) -> str:
        return _display.html(self)


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def shown(cell: object) -> str:
    """A cell as text."""
    if cell is None:
        return "–"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:.4g}"
    return str(cell)
