"""Scores that another program gave, such as a benchmark's own evaluator."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from phyrefine._atomic import write_bytes
from phyrefine.bench.data.records import read_records
from phyrefine.bench.judges.row import JudgeRow
from phyrefine.bench.judges.row_judge import Ratings
from phyrefine.bench.scoring.judging import ClipFile
from phyrefine.errors import InvalidInputError

OFFICIAL = "official"


def write_official(folder: Path, clips: Sequence[ClipFile]) -> Path:
    """The table that VideoPhy-2's own program reads: ``videopath`` and ``caption``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("videopath", "caption"))
    writer.writerows((one.path.absolute(), one.item.description) for one in clips)
    path = folder / OFFICIAL / "sa_pc.csv"
    write_bytes(path, text.getvalue().encode())
    return path


def read_scores(
    given: Sequence[str], row: JudgeRow, clips: Sequence[ClipFile]
) -> tuple[dict[tuple[str, str], Ratings], str]:
    """Ratings from tables with ``videopath`` and ``score``, one table for each score.

    Args:
        given: ``NAME=FILE`` each, such as ``sa=output_sa.csv``.
        row: The judge that gave them; a score off its scale is no score.
        clips: The clips they are about; matched by row folder and file name.

    Returns:
        Ratings by (row, clip's name), and the source in words.

    Raises:
        InvalidInputError: Another form, an unknown score, or clips that no table rates.
    """
    known = {name for question in row.questions for name in question.gives}
    scores: dict[tuple[str, str], dict[str, float]] = {
        (one.row, one.item.name): {} for one in clips
    }
    problems: dict[tuple[str, str], list[str]] = {key: [] for key in scores}
    names = []
    for text in given:
        name, equals, file = text.partition("=")
        if not equals or name not in known:
            raise InvalidInputError(
                f"--scores takes NAME=FILE with NAME one of {', '.join(sorted(known))}, not "
                f"{text!r}."
            )
        names.append(f"{name} from {Path(file).name}")
        values = _values(Path(file))
        for key, told in scores.items():
            value = values.get(key)
            if value is None:
                raise InvalidInputError(
                    f"{file} has no score of {'/'.join(key)}.mp4 ({len(values)} rows). Run the "
                    "program on all rows of the table that was written for it."
                )
            if row.low <= value <= row.high:
                told[name] = value
            else:
                problems[key].append(f"{name}: {value:g} in {Path(file).name} is no score")
    found = {key: Ratings(scores[key], problems=tuple(problems[key])) for key in scores}
    return found, f"{row.title} (its own program: {', '.join(names)})"


def _values(path: Path) -> Mapping[tuple[str, str], float]:
    rows = read_records(path)
    if not {"videopath", "score"} <= rows[0].keys():
        raise InvalidInputError(f"{path} should have the columns videopath and score.")
    found = {}
    for number, record in enumerate(rows, 1):
        place = Path(str(record["videopath"]))
        try:
            found[place.parent.name, place.stem] = float(record["score"])
        except ValueError as error:
            raise InvalidInputError(
                f"Row {number} of {path}: {record['score']!r} is no number."
            ) from error
    return found
