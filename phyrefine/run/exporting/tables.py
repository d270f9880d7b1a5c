"""Rows as CSV and as Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phyrefine._atomic import write_bytes
from phyrefine._optional import require
from phyrefine.errors import InvalidInputError

Rows = Sequence[Mapping[str, Any]]
WHOLE = (
    "attempt", "candidate", "loop", "seed", "steps", "prompt_words", "violations", "calls",
    "tokens",
)  # fmt: skip
TRUTH = ("baseline", "seam_ok", "chosen")
NUMBERS = ("severity", "score", "seconds", "usd", "seconds_asked", "fps")


def write_csv(rows: Rows, path: Path) -> Path:
    """Write rows as CSV, UTF-8; an unknown value is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    _write(path, text.getvalue().encode("utf-8", "backslashreplace"))
    return path


def write_parquet(rows: Rows, path: Path) -> Path:
    """Write rows as Parquet; every column has one type in every export.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """
    arrow: Any = require("pyarrow", extra="parquet", feature="Parquet")
    parquet: Any = require("pyarrow.parquet", extra="parquet", feature="Parquet")
    schema = arrow.schema([(name, _type(arrow, name)) for name in rows[0]])
    buffer = io.BytesIO()
    parquet.write_table(arrow.Table.from_pylist(list(rows), schema=schema), buffer)
    _write(path, buffer.getvalue())
    return path


def _type(arrow: Any, name: str) -> Any:
    if name in WHOLE:
        return arrow.int64()
    if name in TRUTH:
        return arrow.bool_()
    return arrow.float64() if name in NUMBERS or name.startswith("score_") else arrow.string()


def _write(path: Path, data: bytes) -> None:
    if path.is_dir():
        raise InvalidInputError(f"{path} is a folder: name the file to write.")
    write_bytes(path, data)
