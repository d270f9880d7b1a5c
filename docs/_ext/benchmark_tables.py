"""Two Sphinx directives that print the tables of benchmarks and judges from the code itself.

``{benchmarks}`` and ``{judges}`` give a section with a definition list for each row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def benchmark_facts() -> Iterable[tuple[str, Mapping[str, str]]]:
    """(title, facts) of every benchmark that a judge scores."""
    from phyrefine.bench import registry

    for suite in map(registry.find, registry.names()):
        if suite.command is None:
            yield (
                f"{suite.name} ({suite.title})",
                {
                    "What it is": suite.summary,
                    "Prompts in": ", ".join(suite.files) or "folders of clips",
                    "Subsets": ", ".join(suite.subsets),
                    "Judge": suite.judge,
                    "Scores": suite.own_scores,
                    **numbered("Trap", suite.traps),
                    "Verified": suite.verified,
                    "Sources": " ".join(suite.sources),
                },
            )


def judge_facts() -> Iterable[tuple[str, Mapping[str, str]]]:
    """(title, facts) of every judge."""
    from phyrefine.bench.judges.table import JUDGES

    for row in JUDGES.values():
        yield f"{row.name} ({row.title})", {
            "Model": row.model,
            "Serving": row.serving,
            "Sees": row.looks,
            "Scores": "; ".join(f"{name}: {means}" for name, means in row.means.items()),
            "Passes at": ", ".join(f"{name} >= {mark:g}" for name, mark in row.marks.items()),
            "Joint share": "none" if not row.joint else "its authors' definition"
            if row.joint_published else "phyrefine's definition",
            "Wording": row.published or "phyrefine's own",
            "Reply": f"at most {row.tokens} tokens, read as {row.parser}",
            **numbered("Trap", row.traps),
            "Verified": row.verified,
            "Sources": " ".join(row.sources),
        }  # fmt: skip


def numbered(title: str, lines: Iterable[str]) -> dict[str, str]:
    """Facts that share a title."""
    return {f"{title} {number}": line for number, line in enumerate(lines, 1)}


class _Facts(SphinxDirective):
    def facts(self) -> Iterable[tuple[str, Mapping[str, str]]]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        made: list[nodes.Node] = []
        for title, facts in self.facts():
            section = nodes.section(ids=[nodes.make_id(title)])
            section += nodes.title(text=title)
            listed = nodes.field_list()
            for name, text in facts.items():
                if text:
                    body = nodes.field_body("", nodes.paragraph(text=text))
                    listed += nodes.field("", nodes.field_name(text=name), body)
            section += listed
            made.append(section)
        return made


class Benchmarks(_Facts):
    """``{benchmarks}``."""

    def facts(self) -> Iterable[tuple[str, Mapping[str, str]]]:
        """Of benchmarks."""
        return benchmark_facts()


class Judges(_Facts):
    """``{judges}``."""

    def facts(self) -> Iterable[tuple[str, Mapping[str, str]]]:
        """Of judges."""
        return judge_facts()


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("benchmarks", Benchmarks)
    app.add_directive("judges", Judges)
    return {"parallel_read_safe": True}
