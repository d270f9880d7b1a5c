"""``phyrefine benchmarks`` and ``phyrefine judges``: what there is, and what to know of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def benchmarks(name: str | None = None) -> int:
    """List the benchmarks, or tell everything about one.

    Parameters
    ----------
    name
        One of them: where its prompts lie, who scores it, and what makes its numbers incomparable.
    """
    from phyrefine.bench import registry

    if name is None:
        rows = [(one, registry.find(one).title, registry.find(one).summary)
                for one in registry.names()]  # fmt: skip
        _table(("benchmark", "title", "what it is"), rows)
        _say("More of one: phyrefine benchmarks NAME. Run it: phyrefine bench NAME --help.")
        return 0
    suite = registry.find(name)
    facts = {
        "benchmark": f"{suite.title}: {suite.summary}",
        "prompts in": ", ".join(suite.files) or "the folders of the download",
        "fields": "; ".join(f"{what}: {', '.join(known)}" for what, known in suite.fields.items()),
        "subsets": ", ".join(suite.subsets),
        "judge": suite.judge if suite.command is None else "none: its own program",
        "scores": suite.own_scores,
        **{f"trap {n}": trap for n, trap in enumerate(suite.traps, 1)},
        "verified": suite.verified,
        "sources": " ".join(suite.sources),
    }
    _table(("", suite.name), [(key, value) for key, value in facts.items() if value])
    return 0


def judges(name: str | None = None) -> int:
    """List the table of judges, or tell everything about one.

    Parameters
    ----------
    name
        One of them: how it is served, what it sees and is asked, and what makes its numbers wrong.
    """
    from phyrefine.bench.judges.table import CHECKED, JUDGES, find

    if name is None:
        rows = [(row.name, row.title, row.looks, ", ".join(_scores(row))) for row in
                JUDGES.values()]  # fmt: skip
        _table(("judge", "title", "sees", "scores"), rows)
        _say(f"As of {CHECKED}; none of their weights were run here. More: phyrefine judges NAME.")
        return 0
    row = find(name)
    wording = row.published or "phyrefine's own"
    facts: dict[str, Any] = {
        "judge": row.title,
        "model": row.model,
        "serving": row.serving,
        "sees": row.looks,
        "scores": "; ".join(f"{key}: {means}" for key, means in row.means.items()),
        "scale": f"{row.low} to {row.high}; passes at "
        + ", ".join(f"{key} >= {mark:g}" for key, mark in row.marks.items()),
        "joint": ("its authors'" if row.joint_published else "phyrefine's") if row.joint else
        "none: it rates one thing only",
        "reply": f"{row.tokens} tokens at most, read as {row.parser}",
        "wording": wording,
        **{f"trap {n}": trap for n, trap in enumerate(row.traps, 1)},
        "verified": row.verified,
        "sources": " ".join(row.sources),
        "as of": CHECKED,
    }  # fmt: skip
    _table(("", row.name), [(key, value) for key, value in facts.items() if value])
    return 0


def _scores(row: Any) -> tuple[str, ...]:
    return tuple(name for question in row.questions for name in question.gives)


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for title in columns:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def _say(line: str) -> None:
    from phyrefine.physics_iq.commands.scores import say

    say(line)
