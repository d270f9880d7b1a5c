"""``phyrefine generators``: what can continue a video here."""

from __future__ import annotations


def generators() -> int:
    """List the video generators: families, context frames, licences, what was verified on what."""
    from rich.table import Table

    from phyrefine import registry
    from phyrefine.backends.families import list_families
    from phyrefine.cli.tables import console

    screen = console()
    table = Table(title="Backends that generate video")
    for title in ("name", "what it is", "install"):
        table.add_column(title, overflow="fold")
    for name in registry.names():
        backend = registry.find(name)
        if "generator" in backend.roles:
            extra = f'pip install "phyrefine[{backend.extra}]"' if backend.extra else ""
            table.add_row(name, backend.summary, extra)
    screen.print(table)
    rows = list_families()
    families = Table(title="Families behind diffusers:PATH")
    titles = list(rows[0]) if rows else []
    for title in titles:
        families.add_column(title.replace("_", " "), overflow="fold")
    for row in rows:
        families.add_row(*(str(row[title]) for title in titles))
    screen.print(families)
    return 0
