"""``phyrefine report``: the page of a finished run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from phyrefine.types import Refinement


def report(folder: Path, *, out: Path | None = None) -> int:
    """Write the HTML page of a run: one self-contained file that needs no network.

    Parameters
    ----------
    folder
        A run folder, or one scenario's folder in it.
    out
        The file; report.html in the folder by default. Several scenarios give a gallery.
    """
    from phyrefine import report as pages
    from phyrefine.cli.tables import console

    found = [refinement for _, refinement in refinements_in(folder)]
    target = out or folder / "report.html"
    path = pages.write(found[0], target) if len(found) == 1 else pages.write_gallery(found, target)
    console().print(f"Wrote {path}.")
    return 0


def refinements_in(folder: Path) -> Iterator[tuple[str, Refinement]]:
    """(name, refinement) of every finished scenario in a run folder or a scenario's folder.

    Raises:
        StoreError: There is none.
    """
    from phyrefine.errors import StoreError
    from phyrefine.run.results import REFINEMENT, read_refinement

    if (folder / REFINEMENT).exists():
        yield folder.name, read_refinement(folder)
        return
    finished = sorted((folder / "scenarios").glob(f"*/{REFINEMENT}"))
    if not finished:
        raise StoreError(
            f"{folder} holds no finished scenario. Pass a run folder, as --out of phyrefine run."
        )
    for path in finished:
        yield path.parent.name, read_refinement(path.parent)
