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
        The file; report.html in the folder by default. Several scenarios give a gallery, and each
        a report of its own in its folder.
    """
    from phyrefine import report as pages
    from phyrefine.cli.telling.tables import console

    named = list(refinements_in(folder))
    found = [refinement for _, refinement in named]
    target = out or folder / "report.html"
    if len(found) == 1:
        path = pages.write(found[0], target)
    else:
        each = [
            pages.write(refinement, folder / "scenarios" / name / "report.html")
            for name, refinement in named
        ]
        path = pages.write_gallery(found, target, links=[_link(own, target) for own in each])
    console().print(f"Wrote {path}.")
    return 0


def _link(own: Path, page: Path) -> str | None:
    """The address of a scenario's own report as seen from a page above it, if it lies below."""
    own, above = own.resolve(), page.resolve().parent
    return own.relative_to(above).as_posix() if own.is_relative_to(above) else None


def refinements_in(folder: Path) -> Iterator[tuple[str, Refinement]]:
    """(name, refinement) of every finished scenario in a run folder or a scenario's folder.

    Raises:
        StoreError: There is none.
    """
    from phyrefine.errors import StoreError
    from phyrefine.run.results import REFINEMENT, read_refinement
    from phyrefine.run.store.disk import absence

    if (folder / REFINEMENT).exists():
        yield folder.name, read_refinement(folder)
        return
    finished = sorted((folder / "scenarios").glob(f"*/{REFINEMENT}"))
    if not finished:
        raise StoreError(
            f"{folder} {absence(folder, 'holds no finished scenario')}. Pass a run folder, as "
            "--out of phyrefine run."
        )
    for path in finished:
        yield path.parent.name, read_refinement(path.parent)
