"""A folder that the Hugging Face library ``datasets`` loads: videos beside their metadata."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from phyrefine._atomic import write_bytes, written_aside
from phyrefine.errors import InvalidInputError, StoreError
from phyrefine.run.exporting.rows import Record, table_rows
from phyrefine.run.results import read_refinement
from phyrefine.types import Pick

CARD = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: [metadata.jsonl, "videos/*.mp4"]
task_categories: [text-to-video, image-to-video]
tags: [phyrefine, physics, video-generation]
---
# Clips of a phyrefine run

{clips} clips of {scenarios} scenarios, {chosen} of them chosen. Written by phyrefine {version}.

Each row of `metadata.jsonl` is a clip: its scenario, prompt, seed, what the critic found (`found`,
JSON), scores, and whether the ensemble chose it. `file_name` is its video, H.264 as browsers play
it. Load it with `datasets.load_dataset("PATH OF THIS FOLDER")`.

Violations and scores are a model's opinions, not ground truth. Videos of generators may be under
licenses of their own.
"""


def write_dataset(records: Sequence[Record], out: Path) -> Path:
    """Write the folder: ``README.md``, ``metadata.jsonl``, ``videos/``.

    Args:
        records: Finished scenarios.
        out: A new or an empty folder.

    Raises:
        InvalidInputError: ``out`` holds something.
        StoreError: A clip has neither its video nor its frames any more.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise InvalidInputError(f"{out} is there already: name a new or an empty folder.")
    (out / "videos").mkdir(parents=True, exist_ok=True)
    lines: list[dict[str, Any]] = []
    for record in records:
        for row in table_rows([record]):
            kept = f"{row['run']}-{row['scenario_id']}-{row['attempt']}-{row['candidate']}.mp4"
            _copy(record, row, out / "videos" / kept)
            lines.append({"file_name": f"videos/{kept}", **row})
            del lines[-1]["file"]
    names = list(dict.fromkeys(name for line in lines for name in line))
    whole = [{name: line.get(name) for name in names} for line in lines]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in whole)
    write_bytes(out / "metadata.jsonl", text.encode("utf-8", "backslashreplace"))
    card = CARD.format(
        clips=len(lines),
        scenarios=len(records),
        chosen=sum(line["chosen"] for line in lines),
        version=version("phyrefine"),
    )
    write_bytes(out / "README.md", card.encode())
    return out


def _copy(record: Record, row: dict[str, Any], target: Path) -> None:
    video = record.run_dir / row["file"]
    if video.exists():
        with written_aside(target) as aside:
            shutil.copyfile(video, aside)
        return
    try:
        whole = read_refinement(record.folder)
    except StoreError as error:
        raise StoreError(f"{video} is gone, and so are its frames: {error}") from error
    pick = Pick(row["attempt"], row["candidate"])
    whole.attempts[pick.attempt].candidates[pick.candidate].clip.write(target)
