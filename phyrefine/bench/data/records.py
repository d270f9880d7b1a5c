"""Tables of prompts: CSV, JSON and JSON lines as they were downloaded."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phyrefine._json import parse_json
from phyrefine.errors import InvalidInputError

READABLE = (".csv", ".tsv", ".json", ".jsonl")
# Rules of a prompt may be long lists in one cell.
_CELL_LIMIT = 2**24


def find_file(data: Path, patterns: Sequence[str], title: str) -> Path:
    """The file of prompts: ``data`` itself, or the first in it that a pattern fits.

    Raises:
        InvalidInputError: There is none.
    """
    if data.is_file():
        return data
    if not data.is_dir():
        raise InvalidInputError(f"There is no file or folder {data}: name the download of {title}.")
    for pattern in patterns:
        found = sorted(path for path in data.glob(pattern) if path.is_file())
        if found:
            return found[0]
    raise InvalidInputError(
        f"{data} holds none of {', '.join(patterns)}: name the file of prompts of {title} itself."
    )


def read_records(path: Path) -> list[dict[str, Any]]:
    """The rows of a table.

    JSON may hold a list of objects, an object with such a list, or objects (or texts) by id.

    Raises:
        InvalidInputError: It cannot be read, or is no table.
    """
    kind = path.suffix.lower()
    if kind == ".parquet":
        raise InvalidInputError(
            f"{path} is Parquet. Write it as CSV first, for example with pandas: "
            "pandas.read_parquet(FILE).to_csv('prompts.csv')."
        )
    if kind not in READABLE:
        raise InvalidInputError(f"{path} is none of {', '.join(READABLE)}.")
    try:
        text = path.read_text("utf-8-sig")
        rows = _rows(text, kind)
    except (OSError, ValueError, csv.Error, InvalidInputError) as error:
        raise InvalidInputError(f"{path} cannot be read: {error}.") from error
    if not rows:
        raise InvalidInputError(f"{path} holds no rows.")
    return rows


def _rows(text: str, kind: str) -> list[dict[str, Any]]:
    if kind in (".csv", ".tsv"):
        csv.field_size_limit(_CELL_LIMIT)
        reader = csv.DictReader(io.StringIO(text), delimiter="\t" if kind == ".tsv" else ",")
        rows = [dict(row) for row in reader]
        for number, row in enumerate(rows, 1):
            if None in row:  # where csv puts what has no column
                raise ValueError(f"row {number} has more cells than there are columns")
        return rows
    if kind == ".jsonl":
        return [_object(parse_json(line)) for line in text.splitlines() if line.strip()]
    return _json_rows(parse_json(text))


def _json_rows(found: Any) -> list[dict[str, Any]]:
    if isinstance(found, Mapping):
        lists = [value for value in found.values() if _is_table(value)]
        if len(lists) == 1:
            found = lists[0]
        else:
            return [
                {"id": key, **(value if isinstance(value, Mapping) else {"prompt": value})}
                for key, value in found.items()
            ]
    if not isinstance(found, list):
        raise InvalidInputError(f"it should hold a list of objects, not {type(found).__name__}")
    return [_object(row) for row in found]


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(r, Mapping) for r in value)


def _object(row: Any) -> dict[str, Any]:
    if isinstance(row, str):
        return {"prompt": row}
    if not isinstance(row, Mapping):
        raise InvalidInputError(f"each row should be an object, not {row!r}")
    return dict(row)


def text_in(record: Mapping[str, Any], name: str | None) -> str:
    """The text of a field on one line; empty if there is none, or what pandas writes for none."""
    value = record.get(name) if name is not None else None
    if isinstance(value, list | tuple):
        value = ", ".join(str(part) for part in value)
    text = " ".join(str(value).split()) if value is not None else ""
    return "" if text.lower() in ("nan", "none", "null") else text


def is_true(value: Any) -> bool:
    """Whether a cell says yes."""
    return str(value).strip().lower() in ("1", "1.0", "true", "yes")
