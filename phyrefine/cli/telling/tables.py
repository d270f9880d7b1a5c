"""Tables on the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from phyrefine.select.pool import entries
from phyrefine.types import Attempt, Candidate, Refinement, pick_key

PROMPT_WIDTH = 52


def console() -> Console:
    """Wide enough for a table also where there is no terminal."""
    found = Console()
    return found if found.is_terminal else Console(width=132)


def refinement_table(
    refinement: Refinement, columns: Mapping[str, Mapping[str, str]] | None = None
) -> Table:
    """One row per clip: prompt, violations, seam, and further columns.

    Args:
        refinement: What to show; its choice is marked.
        columns: Further columns by title; each gives a cell by ``"attempt.candidate"``.
    """
    table = Table(title=refinement.scenario.name or refinement.scenario.description)
    for title in ("", "loop", "seed", "prompt", "violations", "seam", *(columns or {})):
        table.add_column(title, overflow="fold")
    chosen = pick_key(refinement.choice.pick) if refinement.choice is not None else None
    for entry in entries(refinement.attempts):
        first = entry.pick.candidate == 0
        steps = f" @{entry.candidate.steps}" if entry.candidate.steps is not None else ""
        table.add_row(
            "→" if entry.key == chosen else "",
            ("plain" if entry.attempt.baseline else str(entry.attempt.index)) + steps,
            str(entry.candidate.seed),
            Text(_short(entry.attempt.prompt.text)) if first else "",
            Text(_violations(entry.attempt)) if first else "",
            Text(_seam(entry.candidate)),
            *(cells.get(entry.key, "") for cells in (columns or {}).values()),
        )
    return table


def _short(text: str, width: int = 3 * PROMPT_WIDTH) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _seam(candidate: Candidate) -> str:
    faults = candidate.seam.faults if candidate.seam is not None else ()
    told = (*faults, *candidate.notes)
    return "; ".join(told) if told else "ok" if candidate.seam is not None else ""


def _violations(attempt: Attempt) -> str:
    critique = attempt.critique
    if critique is None:
        return "not judged"
    chance = [f"accidental: {_short(found.what, 40)}" for found in critique.accidental]
    if critique.clean:
        none = "none" + (" (still)" if critique.still else f" in {critique.looks} looks")
        return "\n".join([none, *chance])
    told = [f"{found.status}: {_short(found.what, 60)}" for found in critique.violations]
    fixed = [f"fixed: {_short(found.what, 40)}" for found in critique.fixed]
    return "\n".join([*told, *fixed, *chance])


def verdict_line(refinement: Refinement) -> str:
    """Why it stopped and what was chosen, in one or two sentences."""
    said = f"Stopped by {refinement.stopped_by}: {refinement.reason.rstrip('.')}."
    choice = refinement.choice
    if choice is None:
        return said
    stamp = " [ORACLE: chosen with ground truth]" if choice.oracle else ""
    stamp += " [HUMAN: chosen by people's ratings]" if choice.human else ""
    beside = "".join(f" {name}: {key}," for name, key in choice.controls.items()).rstrip(",")
    controls = f" Controls would take{beside} (loop.candidate)." if beside else ""
    reason = choice.reason.rstrip(".")
    return f"{said} Chosen by {choice.selector}: {reason}.{stamp}{controls}"


def disclaimer_lines(refinement: Refinement) -> list[str]:
    """What a reader must know before believing the result, a line each."""
    return [f"NOTE: {said}" for said in refinement.disclaimers]
