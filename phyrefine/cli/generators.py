"""``phyrefine generators``: what can continue a video here."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text


def generators() -> int:
    """List the video generators: families, context frames, licenses, what was verified on what."""
    from phyrefine.backends.diffusers.families.table import list_families
    from phyrefine.cli.telling.tables import console

    screen = console()
    screen.print(_backends())
    screen.print(_families())
    for text, names in _verified().items():
        screen.print(Text(f"Run on {text}: {', '.join(names)}."))
    screen.print("Published checkpoints, none of which was run here:")
    for spec in list_families():
        for checkpoint in spec.checkpoints:
            screen.print(Text(f"  {checkpoint.id}  ({spec.name})"))
    return 0


def _backends() -> Table:
    from phyrefine import registry
    from phyrefine.errors import UnknownBackendError

    table = Table(title="Backends that generate video")
    for title in ("name", "what it is", "install"):
        table.add_column(title, overflow="fold")
    for name in registry.names():
        try:
            backend = registry.find(name)
        except UnknownBackendError as error:
            table.add_row(name, Text(str(error)), "")
            continue
        if "generator" in backend.roles:
            extra = f'pip install "phyrefine[{backend.extra}]"' if backend.extra else ""
            table.add_row(name, backend.summary, Text(extra))
    return table


def _families() -> Table:
    from phyrefine.backends.diffusers.families.table import facts, list_families

    rows = [facts(spec) for spec in list_families()]
    table = Table(title="Families behind diffusers:PATH_OR_ID")
    for title in rows[0]:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*row.values())
    return table


def _verified() -> dict[str, list[str]]:
    from phyrefine.backends.diffusers.families.table import list_families

    found: dict[str, list[str]] = {}
    for spec in list_families():
        found.setdefault(spec.verified, []).append(spec.name)
    return found
