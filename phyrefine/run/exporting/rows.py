"""Everything a run made as rows of plain values, one per clip."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from phyrefine._secrets import scrub_json
from phyrefine.errors import StoreError
from phyrefine.run.comparing.rows import rows
from phyrefine.run.following.follower import kind_of
from phyrefine.run.results import (
    REFINEMENT,
    VIDEOS,
    read_without_clips,
    refinement_folders,
    video_name,
)
from phyrefine.serialize import to_json
from phyrefine.types import Refinement


@frozen
class Record:
    """A finished scenario on disk.

    Attributes:
        run_dir: Its run folder.
        folder: Its own folder.
        refinement: What came out, without the pixels of its clips.
    """

    run_dir: Path
    folder: Path
    refinement: Refinement


def records_in(folder: Path) -> list[Record]:
    """Every finished scenario of a run, a benchmark or a sweep, or the one of a scenario's folder.

    Raises:
        StoreError: There is none, or one is damaged.
    """
    if (folder / REFINEMENT).exists():
        inside = folder.parent.name == "scenarios"
        run_dir = folder.parent.parent if inside else folder
        return [Record(run_dir, folder, read_without_clips(folder))]
    _, run_dirs = kind_of(folder)
    found = [
        Record(run_dir, one, read_without_clips(one))
        for run_dir in run_dirs
        for one in refinement_folders(run_dir)
    ]
    if not found:
        raise StoreError(f"{folder} holds no finished scenario yet.")
    return found


def table_rows(records: Iterable[Record]) -> list[dict[str, Any]]:
    """One row per clip, the same columns in every row, without secrets.

    Beside the columns of :meth:`Refinement.to_frame`: ``run``, ``scenario_id``, ``description``,
    ``seconds_asked``, ``fps``, ``found`` (the violations as JSON) and ``file``, the clip's video
    below the run folder.
    """
    found = [row for record in records for row in _rows(record)]
    names = list(dict.fromkeys(name for row in found for name in row))
    return [{name: row.get(name) for name in names} for row in found]


def _rows(record: Record) -> Sequence[dict[str, Any]]:
    asked = record.refinement.scenario
    made = []
    for row in rows(record.refinement):
        attempt = record.refinement.attempts[row["attempt"]]
        critique = attempt.critique if row["candidate"] == 0 else None
        found = None if critique is None else to_json(critique)["violations"]
        video = record.folder / VIDEOS / video_name(row["attempt"], row["candidate"])
        whole = {
            "run": record.run_dir.resolve().name,
            "scenario_id": record.folder.name,
            **row,
            "description": asked.description,
            "seconds_asked": asked.seconds,
            "fps": asked.fps,
            "found": None if found is None else json.dumps(scrub_json(found), ensure_ascii=False),
            "file": video.relative_to(record.run_dir).as_posix(),
        }
        made.append(scrub_json(whole))
    return made
