"""Two Sphinx directives that draw the package from its own imports, so that the page cannot rot.

``{layers}`` is a picture: one band per layer of the import contract, one box per package, a line
per import between packages. ``{rooms}`` lists every package with its docstring.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]
PACKAGE = "phyrefine"
BOX, GAP, BAND, WIDTH = (148, 44), 18, 84, 860


def layers() -> list[list[str]]:
    """Names of packages and modules, one list per layer, highest first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    rows = next(one["layers"] for one in contracts if one["name"] == "Imports point one way")
    names = [[name.strip().removeprefix(f"{PACKAGE}.") for name in row.split("|")] for row in rows]
    return [[name for name in row if not name.startswith("_")] or row for row in names]


def modules() -> Iterator[tuple[str, Path]]:
    """(dotted name below the package, file) of every module."""
    for file in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = file.relative_to(ROOT / PACKAGE).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), file


def imports() -> set[tuple[str, str]]:
    """(importer, imported) of first-level packages and modules; imports in functions count too."""
    found = set()
    for name, file in modules():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}."):
                target = (node.module or "").split(".")[1]
                found.add((name.partition(".")[0], target))
    return {(source, target) for source, target in found if source and source != target}


def rooms() -> list[tuple[str, int, str]]:
    """(dotted name, number of files, docstring) of every package, in the order of the layers."""
    order = [name for row in layers() for name in row]
    found = [
        (name, len(list(file.parent.glob("*.py"))), ast.get_docstring(ast.parse(file.read_text())))
        for name, file in modules()
        if file.name == "__init__.py" and name
    ]
    found.sort(key=lambda room: (order.index(room[0].partition(".")[0]), room[0]))
    return [(name, count, words or "") for name, count, words in found]


def picture() -> str:
    """The layers as an SVG; colors follow the page's text color."""
    rows = layers()
    places = {
        name: (
            (WIDTH - len(row) * BOX[0] - (len(row) - 1) * GAP) / 2 + at * (BOX[0] + GAP),
            10 + level * BAND,
        )
        for level, row in enumerate(rows)
        for at, name in enumerate(row)
    }
    lines = [
        _line(places[source], places[target])
        for source, target in sorted(imports())
        if source in places and target in places
    ]
    boxes = [_box(name, *place) for name, place in places.items()]
    height = len(rows) * BAND
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" style="max-width:{WIDTH}px;width:100%" '
        f'font-family="sans-serif" font-size="14"><title>Layers of {PACKAGE}: each package imports '
        f"only those below it</title>{''.join(lines)}{''.join(boxes)}</svg>"
    )


def _line(source: tuple[float, float], target: tuple[float, float]) -> str:
    x1, y1 = source[0] + BOX[0] / 2, source[1] + BOX[1]
    x2, y2 = target[0] + BOX[0] / 2, target[1]
    return (
        f'<path d="M{x1:.0f} {y1:.0f} C{x1:.0f} {(y1 + y2) / 2:.0f} {x2:.0f} {(y1 + y2) / 2:.0f} '
        f'{x2:.0f} {y2:.0f}" fill="none" stroke="currentColor" stroke-opacity="0.18"/>'
    )


def _box(name: str, x: float, y: float) -> str:
    folder = ROOT / PACKAGE / name
    count = len(list(folder.rglob("*.py"))) if folder.is_dir() else 1
    files = f"{count} file{'s' if count > 1 else ''}"
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{BOX[0]}" height="{BOX[1]}" rx="6" '
        'fill="var(--color-background-secondary, #f4f4f4)" stroke="currentColor"/>'
        f'<text x="{x + BOX[0] / 2:.0f}" y="{y + 19:.0f}" text-anchor="middle" '
        f'fill="currentColor" font-weight="600">{escape(name)}</text>'
        f'<text x="{x + BOX[0] / 2:.0f}" y="{y + 36:.0f}" text-anchor="middle" '
        f'fill="currentColor" font-size="11" opacity="0.7">{files}</text>'
    )


class Layers(SphinxDirective):
    """The picture."""

    def run(self) -> list[nodes.Node]:
        """One raw HTML node."""
        return [nodes.raw("", picture(), format="html")]


class Rooms(SphinxDirective):
    """The list of packages."""

    def run(self) -> list[nodes.Node]:
        """A definition list: package, then what its docstring says."""
        listing = nodes.definition_list()
        for name, count, words in rooms():
            term = nodes.term("", "", nodes.literal(text=f"{PACKAGE}.{name}"))
            term += nodes.Text(f" ({count} files)")
            said = " ".join(words.partition("::")[0].replace("``", "").split())
            listing += nodes.definition_list_item(
                "", term, nodes.definition("", nodes.paragraph(text=said))
            )
        return [listing]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register both."""
    app.add_directive("layers", Layers)
    app.add_directive("rooms", Rooms)
    return {"parallel_read_safe": True}
