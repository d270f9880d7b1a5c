"""``phyrefine ls``: the runs, benchmarks and sweeps below a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from phyrefine.run.following.follower import Progress

# Folders of runs lie in folders of projects; deeper ones are no runs of ours.
DEPTH = 3


def ls(
    folder: Path = Path("runs"),
    *,
    as_json: Annotated[
        bool, Parameter(name="--json", help="Print JSON, one object a run.")
    ] = False,
) -> int:
    """List the runs, benchmarks and sweeps below a folder: how far they are and what they cost.

    Parameters
    ----------
    folder
        Where to look; runs by default.
    """
    from phyrefine.cli.telling.tables import console
    from phyrefine.errors import StoreError
    from phyrefine.report.words import dollars

    found = sorted(looks_in(folder, DEPTH), key=lambda one: str(one.changed or ""))
    if not found:
        raise StoreError(f"There is no run in {folder}: pass the folder that holds your runs.")
    rows = [_row(one, folder) for one in found]
    screen = console()
    if as_json:
        for row in rows:
            screen.print(json.dumps(row), markup=False, highlight=False, soft_wrap=True)
        return 0
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in (
        "run",
        "what",
        "state",
        "done",
        "failed",
        "clips",
        "calls",
        "dollars",
        "last event",
    ):
        table.add_column(title, overflow="fold")
    for row in rows:
        unknown = " and more" if row["calls_of_unknown_price"] else ""
        table.add_row(
            Text(row["run"]), row["kind"], row["state"], _of(row), str(row["failed"] or ""),
            f"{row['clips']:g}", str(row["calls"]), dollars(row["usd"]) + unknown,
            (row["changed"] or "")[:16].replace("T", " "),
        )  # fmt: skip
    screen.print(table)
    return 0


def looks_in(folder: Path, depth: int) -> Iterator[Progress]:
    """Where everything below a folder stands, the folder itself included."""
    from phyrefine.errors import StoreError
    from phyrefine.run.following.follower import Follower, kind_of

    try:
        kind, _ = kind_of(folder)
    except StoreError:
        kind = "runs"
    if kind != "runs":
        yield Follower(folder).look()
        return
    if depth and folder.is_dir():
        for inner in sorted(folder.iterdir()):
            if inner.is_dir() and not inner.name.startswith("."):
                yield from looks_in(inner, depth - 1)


def _row(one: Progress, above: Path) -> dict[str, Any]:
    from phyrefine.report.live import state_words

    inside = one.folder != above
    return {
        "run": str(one.folder.relative_to(above)) if inside else str(one.folder),
        "kind": one.kind,
        "state": state_words(one),
        "done": one.counts.get("done", 0),
        "scenarios": sum(one.counts.values()),
        "failed": one.counts.get("failed", 0),
        "clips": one.spent.clips,
        "calls": one.spent.calls,
        "usd": one.spent.usd,
        "calls_of_unknown_price": one.spent.unpriced,
        "changed": None if one.changed is None else one.changed.isoformat(timespec="seconds"),
    }


def _of(row: dict[str, Any]) -> str:
    return f"{row['done']} of {row['scenarios']}"
