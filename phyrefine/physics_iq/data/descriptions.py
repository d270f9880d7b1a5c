"""The table of prompts: where it lies, and its rows, checked one by one."""

from __future__ import annotations

import csv
from pathlib import Path

from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.data.layout import SAMPLES, Sample, parse_row

# The second is the benchmark's own since August 2026: the original prompts ("op").
_PLACES = (
    "descriptions.csv",
    "descriptions/descriptions_original.csv",
    "descriptions/descriptions.csv",
)
_COLUMNS = ("scenario", "description")
Row = dict[str, str]


def find_descriptions(root: Path) -> Path:
    """The table of prompts in a data folder, or else beside it.

    Raises:
        InvalidInputError: There is none.
    """
    for folder in (root, root.absolute().parent):
        for name in _PLACES:
            if (folder / name).is_file():
                return folder / name
    raise InvalidInputError(
        f"No descriptions.csv or descriptions/descriptions_original.csv in or beside "
        f"{root.absolute()}: pass the file's path as descriptions."
    )


def read_descriptions(path: Path) -> tuple[Sample, ...]:
    """Take-1 samples of a table of prompts of either edition, by id.

    Take-2 rows repeat those of take 1. A table has all of them or none: where some are missing,
    the file was cut off.

    Raises:
        InvalidInputError: No such file or no text, missing columns, rows that are cut, malformed
            or repeated, takes that do not match, or no rows at all.
    """
    first: dict[int, Sample] = {}
    second: dict[int, tuple[str, str]] = {}
    for line, row in read_rows(path):
        number, view, take, scene = parse_row(row["scenario"])
        base = number - SAMPLES * (take - 1)
        if not 1 <= base <= SAMPLES:
            raise InvalidInputError(
                f"{path}, line {line}: id {number:04d} is not one of take {take}."
            )
        if base in (first if take == 1 else second):
            raise InvalidInputError(f"{path} lists id {number:04d} twice.")
        if take == 1:
            text, category = row["description"], row.get("category", "")
            first[base] = Sample(number, scene, view, text, category)
        else:
            second[base] = scene, view
    if not first:
        raise InvalidInputError(f"{path} has no take-1 rows.")
    _require_mirrored(path, first, second)
    return tuple(first[number] for number in sorted(first))


def read_rows(path: Path) -> list[tuple[int, Row]]:
    """Rows of a table of prompts, each with the number of its (last) line.

    Raises:
        InvalidInputError: No such file or no text, missing columns, or a row that is cut off.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(
            f"Cannot read the descriptions {path}: {error}. Pass the benchmark's descriptions.csv, "
            "in UTF-8."
        ) from error
    if not rows or not set(_COLUMNS) <= rows[0][1].keys():
        raise InvalidInputError(f"{path} lacks the columns 'scenario' and 'description'.")
    for line, row in rows:
        if problem := _row_problem(row):
            raise InvalidInputError(f"{path}, line {line}: {problem}. Fetch the file again.")
    return rows


def _row_problem(row: dict[str | None, str | None]) -> str | None:
    lacking = [name for name, cell in row.items() if cell is None]
    if lacking:
        return f"the row ends before {', '.join(map(repr, lacking))}: the file is cut off"
    if None in row:
        return "the row has more cells than the header: quote prompts that hold commas"
    empty = [name for name in _COLUMNS if not (row[name] or "").strip()]
    if empty:
        return f"{', '.join(map(repr, empty))} is empty"
    video = (row.get("generated_video_name") or "").strip()
    if "generated_video_name" in row and not video.endswith(".mp4"):
        return f"'generated_video_name' is {video!r}, not a name with .mp4: the file is cut off"
    return None


def _require_mirrored(
    path: Path, first: dict[int, Sample], second: dict[int, tuple[str, str]]
) -> None:
    if not second:
        return
    lacking = [f"{n + SAMPLES:04d} (take 2)" for n in first if n not in second]
    lacking += [f"{n:04d} (take 1)" for n in second if n not in first]
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        raise InvalidInputError(
            f"{path} lacks id {', '.join(lacking[:3])}{more}: each take-1 row has one of take 2. "
            "Fetch the file again, or remove all rows of take 2."
        )
    for number, sample in first.items():
        if second[number] != (sample.scene, sample.view):
            raise InvalidInputError(
                f"{path}: id {number + SAMPLES:04d} names another scene or view than id "
                f"{number:04d}, whose second take it is."
            )
