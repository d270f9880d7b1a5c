"""The table of prompts in a pack: the ones that were used, beside the benchmark's own."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from phyrefine._atomic import write_bytes
from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.data.descriptions import read_rows
from phyrefine.physics_iq.data.layout import parse_row

ORIGINAL = "original_description"
_NAME = "generated_video_name"


def write_prompts(folder: Path, original: Path, runs: Mapping[str, Mapping[str, str]]) -> None:
    """Write ``descriptions.csv``, and ``descriptions/<run>.csv`` where runs had other prompts.

    ``description`` is the prompt that the clip was made from, ``original_description`` the
    benchmark's. With different prompts ``descriptions.csv`` holds those of the first run.

    Args:
        folder: The pack.
        original: The benchmark's table of prompts.
        runs: By run: prompts by file name of the clip.

    Raises:
        InvalidInputError: The benchmark's table lacks one of the clips.
    """
    tables = {run: _table(original, prompts) for run, prompts in runs.items()}
    write_bytes(folder / "descriptions.csv", next(iter(tables.values())).encode())
    if len(set(tables.values())) > 1:
        for run, text in tables.items():
            write_bytes(folder / "descriptions" / f"{run}.csv", text.encode())


def _table(original: Path, prompts: Mapping[str, str]) -> str:
    rows = {}
    for _, row in read_rows(original):
        name = row.get(_NAME, "").strip() or _generated_name(row["scenario"])
        if name in prompts:
            told = {"description": prompts[name], _NAME: name, ORIGINAL: row["description"]}
            rows[name] = {**row, **told}
    if lacking := [name for name in prompts if name not in rows]:
        raise InvalidInputError(f"{original} has no row for {lacking[0]}.")
    out = io.StringIO()
    writer = csv.DictWriter(out, list(next(iter(rows.values()))), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows.values())
    return out.getvalue()


def _generated_name(scenario: str) -> str:
    number, view, _, scene = parse_row(scenario)
    return f"{number:04d}_{view}_{scene}.mp4"
