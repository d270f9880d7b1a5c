"""Which scenarios of a run folder are finished, so that they cost nothing any more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from phyrefine.protocols import Convergence
from phyrefine.run.endings import ended_well
from phyrefine.run.estimating.rates import journals_of
from phyrefine.run.journal import read_journal
from phyrefine.run.results import REFINEMENT, folder_name
from phyrefine.run.sessions.setup import in_words
from phyrefine.run.store.disk import read_json
from phyrefine.types import Scenario


def finished_in(
    run_dir: Path, scenarios: Sequence[Scenario], convergence: Convergence
) -> list[Scenario]:
    """Those that ended by a rule; none where the folder's last start had another convergence rule.

    Args:
        run_dir: A run folder; need not be there.
        scenarios: What is asked for.
        convergence: The rule that is asked for: another one may go on after the last attempt.
    """
    if _last_rule(run_dir) != in_words(convergence):
        return []
    return [one for one in scenarios if _ended_well(run_dir / "scenarios" / folder_name(one))]


def _last_rule(run_dir: Path) -> str | None:
    rule = None
    for path in journals_of(run_dir):
        for event in read_journal(path):
            if isinstance(event, dict) and event.get("event") == "opened":
                rule = event.get("spec", {}).get("limits", {}).get("convergence")
    return rule


def _ended_well(folder: Path) -> bool:
    try:
        there = read_json(folder / REFINEMENT)
    except ValueError:
        return False  # damaged: the run makes it anew
    return isinstance(there, dict) and ended_well(str(there.get("stopped_by")))
