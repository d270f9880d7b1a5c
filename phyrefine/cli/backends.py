"""``phyrefine backends``: what can watch, rewrite and generate here, and with which options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from phyrefine.options import Option

FLAGS = {"vlm": "--vlm-option", "llm": "--llm-option", "generator": "--generator-option"}


def backends(
    name: Annotated[str | None, Parameter(help="List the options of this backend.")] = None,
) -> int:
    """List the backends, or the options of one.

    An option goes into a name, NAME:MODEL?key=value&key=value, or follows --vlm-option,
    --llm-option or --generator-option as key=value. Name your own function or class as
    package.module:factory.
    """
    from phyrefine import registry
    from phyrefine.cli.telling.tables import console

    screen = console()
    if name is None:
        screen.print(_all())
        return 0
    bare = name.partition("?")[0].partition(":")[0]
    backend = registry.find(bare)
    screen.print(Text(f"{bare}: {backend.summary}"))
    listed: dict[str, tuple[list[str], dict[str, Option]]] = {}
    for role in backend.roles:
        options = registry.maker(role, bare).options
        listed.setdefault(repr(options), ([], options))[0].append(role)
    for roles, options in listed.values():
        screen.print(_options(roles, options))
    return 0


def _all() -> Table:
    from phyrefine import registry
    from phyrefine.errors import UnknownBackendError

    table = Table(title="Backends")
    for title in ("name", "roles", "what it is", "install"):
        table.add_column(title, overflow="fold")
    for name in registry.names():
        try:
            backend = registry.find(name)
        except UnknownBackendError as error:
            table.add_row(name, "", Text(str(error)), "")
            continue
        extra = f'pip install "phyrefine[{backend.extra}]"' if backend.extra else ""
        table.add_row(name, ", ".join(backend.roles), backend.summary, Text(extra))
    return table


def _options(roles: list[str], options: dict[str, Option]) -> Table:
    flags = " and ".join(FLAGS[role] for role in roles)
    table = Table(title=f"Options as {' and '.join(roles)} ({flags} key=value)")
    for title in ("key", "type", "default", "what it does"):
        table.add_column(title, overflow="fold")
    for option in options.values():
        where = "" if option.settable else "In Python only. "
        row = (option.name, option.type_name, option.default_text, where + option.help)
        table.add_row(*(Text(cell) for cell in row))
    return table
