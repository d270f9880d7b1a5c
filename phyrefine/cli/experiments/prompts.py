"""``phyrefine prompts``: which prompts there are, and a copy to edit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def prompts(
    *,
    copy: Annotated[
        Path | None, Parameter(help="Copy them there; files that are there stay as they are.")
    ] = None,
) -> int:
    """List the prompts, reply schemas and the knowledge base, or copy them to be edited.

    Use the edited folder with Method(prompts=DIR) in Python or prompts = ["DIR"] in a sweep.
    """
    from phyrefine.cli.telling.tables import console
    from phyrefine.refine import prompts as assets

    screen = console()
    if copy is None:
        for name, digest in zip(assets.names(), assets.asset_digests().values(), strict=True):
            screen.print(f"{digest}  {name}", highlight=False)
        return 0
    written = assets.copy(copy)
    kept = len(assets.names()) - len(written)
    said = f"Copied {len(written)} files to {copy}."
    screen.print(said if not kept else f"{said} {kept} were there and stay as they are.")
    return 0
