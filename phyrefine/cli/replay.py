"""``phyrefine replay``: decide a finished run again under another policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from phyrefine.cli.asking.values import Count
from phyrefine.protocols import Convergence

Rule = Literal["default", "paper", "same_prompt", "near_prompt", "clean", "cycle", "bloat"]


def replay(
    folder: Path,
    *,
    rule: Annotated[list[Rule] | None, Parameter(help="Rules to try; all by default.")] = None,
    loops: Annotated[Count, Parameter(help="Loops at the most, for every rule.")] = 4,
) -> int:
    """Show where other convergence policies would have stopped a finished run.

    No model is asked: everything the rules look at was recorded.

    Parameters
    ----------
    folder
        A run folder, or one scenario's folder in it.
    """
    from rich.table import Table

    from phyrefine.cli.report import refinements_in
    from phyrefine.cli.telling.tables import console
    from phyrefine.refine import convergence as rules
    from phyrefine.run.replay import replay as decide_again

    singles: dict[str, Convergence] = {
        "default": rules.default_policy(loops),
        "paper": rules.paper_policy(loops),
        "same_prompt": rules.SamePrompt(),
        "near_prompt": rules.NearPrompt(),
        "clean": rules.Clean(),
        "cycle": rules.Cycle(),
        "bloat": rules.Bloat(),
    }
    names: list[str] = list(rule) if rule else list(singles)
    table = Table(title="Where each policy would have stopped")
    for title in ("scenario", "policy", "loops", "why"):
        table.add_column(title)
    for name, refinement in refinements_in(folder):
        for chosen in names:
            policy = singles[chosen]
            if chosen not in ("default", "paper"):
                policy = rules.AnyOf((policy, rules.MaxLoops(loops)))
            decided = decide_again(refinement, policy)
            made = [attempt for attempt in decided.attempts if not attempt.baseline]
            table.add_row(name, chosen, str(len(made)), decided.reason)
    console().print(table)
    return 0
