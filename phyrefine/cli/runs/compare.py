"""``phyrefine compare``: runs side by side, paired by scenario."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from phyrefine.errors import InvalidInputError

if TYPE_CHECKING:
    from phyrefine.types import Refinement


def compare(
    runs: list[Path],
    *,
    measure: Annotated[
        list[str] | None,
        Parameter(help="violations, severity, score, attempts, seconds, usd; all by default."),
    ] = None,
    csv: Annotated[Path | None, Parameter(help="Write the table as CSV too.")] = None,
    html: Annotated[Path | None, Parameter(help="Write the table as HTML too.")] = None,
) -> int:
    """Compare runs over the scenarios they share: differences from the first, with intervals.

    The same numbers as phyrefine.compare in Python.

    Parameters
    ----------
    runs
        Run folders or benchmark folders; the first is the reference. A sweep stands for all its
        combinations.
    """
    from phyrefine.cli.telling.tables import console
    from phyrefine.run.comparing.compare import METRICS
    from phyrefine.run.comparing.compare import compare as compared

    unknown = [name for name in measure or () if name not in METRICS]
    if unknown:
        raise InvalidInputError(f"There is no measure {unknown[0]!r}: {', '.join(METRICS)}.")
    named = dict(_distinct(list(_each(runs))))
    chosen = {name: METRICS[name] for name in measure or METRICS}
    result = compared(named, measures=chosen)
    screen = console()
    screen.print(str(result), markup=False, highlight=False, soft_wrap=True)
    for path, write in ((csv, result.to_csv), (html, result.to_html)):
        if path is not None:
            write(path)
            screen.print(f"Wrote {path}.", markup=False)
    return 0


def _each(runs: Sequence[Path]) -> Iterator[tuple[Path, list[Refinement]]]:
    """Runs with their refinements; a sweep gives one run per combination."""
    from phyrefine.run.exporting.rows import records_in
    from phyrefine.run.following.follower import kind_of

    for path in runs:
        kind, folders = kind_of(path)
        for one in [path] if kind in ("run", "benchmark") else folders:
            yield one, [record.refinement for record in records_in(one)]


def _distinct(
    found: Sequence[tuple[Path, list[Refinement]]],
) -> Iterator[tuple[str, list[Refinement]]]:
    """Each under its folder's name; under its whole path where two have one name."""
    names = [path.resolve().name for path, _ in found]
    for path, refined in found:
        name = path.resolve().name
        yield (str(path) if names.count(name) > 1 else name), refined
