"""``phyrefine show``: what a run was asked, and what came out, scenario by scenario."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from phyrefine.errors import InvalidInputError, StoreError

if TYPE_CHECKING:
    from rich.console import Console

    from phyrefine.types import Refinement

log = logging.getLogger(__name__)


def show(
    folder: Path,
    *,
    scenario: Annotated[
        str | None, Parameter(help="Only this one, by its name or folder, with every prompt.")
    ] = None,
    as_json: Annotated[
        bool, Parameter(name="--json", help="Print one row per clip as JSON.")
    ] = False,
) -> int:
    """Print what a run was asked and what came out: endings, violations, scores, prompts, cost.

    Parameters
    ----------
    folder
        A run folder, the folder of a benchmark or of a sweep, or one scenario's folder.
    """
    from phyrefine.cli.telling.tables import console
    from phyrefine.run.exporting.rows import records_in, table_rows

    found = records_in(folder)
    if scenario is not None:
        found = [
            one for one in found if scenario in (one.refinement.scenario.name, one.folder.name)
        ]
        if not found:
            raise InvalidInputError(f"{folder} has no finished scenario {scenario!r}.")
    screen = console()
    if as_json:
        for row in table_rows(found):
            screen.print(json.dumps(row), markup=False, highlight=False, soft_wrap=True)
        return 0
    for run_dir in dict.fromkeys(one.run_dir for one in found):
        _tell_manifest(screen, run_dir)
    if len(found) == 1:
        _tell_one(screen, found[0].refinement, found[0].folder)
        return 0
    screen.print(_table([(one.run_dir.name, one.refinement) for one in found]))
    return 0


def _tell_manifest(screen: Console, run_dir: Path) -> None:
    from phyrefine.run.runner import MANIFEST, read_manifest

    try:
        manifest = read_manifest(run_dir)
    except StoreError as error:
        if os.path.lexists(run_dir / MANIFEST):  # a folder written by Refinement.save has none
            log.warning("%s", error)
        return
    spec = manifest.spec
    said = [f"{role} {name}" for role, name in spec.backends.items()]
    given = [f"{name}={value}" for name, value in spec.args.items()]
    version = manifest.environment.versions.get("phyrefine", "?")
    for line in (
        f"{run_dir}: begun {manifest.created}, phyrefine {version}",
        f"  {', '.join(said)}",
        *([f"  set: {', '.join(given)}"] if given else []),
        f"  ends by: {spec.limits.get('convergence')}; chooses by: {spec.limits.get('ensemble')}",
    ):
        screen.print(line, markup=False, highlight=False)


def _tell_one(screen: Console, refinement: Refinement, folder: Path) -> None:
    from phyrefine.cli.telling.tables import disclaimer_lines, refinement_table, verdict_line
    from phyrefine.report.words import usage_words
    from phyrefine.run.results import VIDEOS

    screen.print(refinement_table(refinement))
    lines = [verdict_line(refinement), *disclaimer_lines(refinement), usage_words(refinement.usage)]
    for position, attempt in enumerate(refinement.attempts):
        lines.append(f"Prompt of attempt {position}: {attempt.prompt.text}")
    lines.append(f"Videos: {folder / VIDEOS}")
    for line in lines:
        screen.print(line, markup=False, highlight=False)


def _table(found: Sequence[tuple[str, Refinement]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    from phyrefine.report.words import dollars, number
    from phyrefine.run.comparing.compare import METRICS

    runs = len({run for run, _ in found}) > 1
    table = Table(box=None, pad_edge=False)
    titles = ("scenario", "ended by", "attempts", "violations", "score", "seconds", "dollars")
    for title in (*(("run",) if runs else ()), *titles):
        table.add_column(title, overflow="fold")
    for run, one in found:
        measured = {name: read(one) for name, read in METRICS.items()}
        cells = ["–" if measured[name] is None else number(float(measured[name] or 0))
                 for name in ("attempts", "violations", "score", "seconds")]  # fmt: skip
        name = one.scenario.name or one.scenario.description
        head = [*([Text(run)] if runs else []), Text(name), Text(one.stopped_by)]
        table.add_row(*head, *cells, dollars(one.usage.usd))
    return table
