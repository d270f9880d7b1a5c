"""``phyrefine gc``: what a run folder can lose; nothing is deleted unless it is named."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

Part = Literal["leftovers", "unused", "chunks", "videos", "store"]


def gc(
    folder: Path,
    *,
    delete: Annotated[
        list[Part] | None, Parameter(help="Delete this part; repeatable. Nothing by default.")
    ] = None,
) -> int:
    """Show what a run folder can lose, how large each part is and what its loss means.

    Results (refinement.json, usage.json), the manifest and the journal are never deleted. A folder
    that a process is using is left alone.

    Parameters
    ----------
    folder
        A run folder, or the folder of a benchmark or of a sweep: each of its run folders.
    """
    from rich.table import Table
    from rich.text import Text

    from phyrefine.cli.telling.tables import console
    from phyrefine.run.cleaning import LOSES, removable, remove
    from phyrefine.run.following.follower import kind_of

    screen = console()
    _, run_dirs = kind_of(folder)
    if delete:
        freed = sum(remove(run_dir, delete) for run_dir in run_dirs)
        screen.print(
            f"Deleted {', '.join(delete)} of {folder}: {freed / 1e6:.1f} MB.", markup=False
        )
        return 0
    table = Table(box=None, pad_edge=False)
    for title in ("part", "run", "files", "MB", "what is lost with it"):
        table.add_column(title, overflow="fold")
    for run_dir in run_dirs:
        for one in removable(run_dir):
            if one.files:
                lost = f"must stay: {one.refused}" if one.refused else LOSES[one.part]
                size = f"{one.bytes / 1e6:.1f}"
                name = Text(run_dir.resolve().name)
                table.add_row(one.part, name, str(len(one.files)), size, Text(lost))
    screen.print(table)
    screen.print("Nothing was deleted: name a part with --delete to do so.")
    return 0
