"""``phyrefine watch``: where a run stands, on the terminal or as a page, until it ends."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from phyrefine._command_values import Positive

if TYPE_CHECKING:
    from rich.console import Console

    from phyrefine.run.following.follower import Follower, Progress


def watch(
    folder: Path,
    *,
    once: Annotated[bool, Parameter(help="Look once and end.")] = False,
    page: Annotated[
        Path | None, Parameter(help="Write a page too, .html, that a browser keeps up to date.")
    ] = None,
    every: Annotated[Positive, Parameter(help="Seconds between two looks.")] = 2.0,
) -> int:
    """Follow a run, a benchmark or a sweep until it ends.

    Shows scenarios done, running and failed, idle generators, calls, dollars, the latest clips and
    failed calls. It changes nothing in the folder, which may be on a shared disk.
    Exit code 0: everything that was asked for is done; 3: it ended with work left.

    Parameters
    ----------
    folder
        A run folder, or the folder of phyrefine bench or phyrefine sweep.
    """
    from phyrefine.cli.telling.tables import console
    from phyrefine.cli.telling.watching import view
    from phyrefine.report.live import write_progress
    from phyrefine.run.following.follower import Follower

    screen, follower = console(), Follower(folder)
    progress = follower.look()
    if once:
        screen.print(view(progress, width=screen.width))
    else:
        with _shown(screen) as show:
            for latest in _looks(follower, progress, every):
                progress = latest
                show(progress)
                if page is not None:
                    write_progress(progress, page, reload_seconds=every)
    if page is not None:
        written = write_progress(progress, page, reload_seconds=every if once else 0.0)
        screen.print(f"Wrote {written}.", markup=False)
    return _code(progress)


@contextlib.contextmanager
def _shown(screen: Console) -> Iterator[Callable[[Progress], None]]:
    """What shows each look: in place on a terminal, else a line when a scenario's state changed."""
    from phyrefine.cli.telling.watching import summary, view

    if screen.is_terminal:
        from rich.live import Live

        rows = max(2, (screen.height - 14) // 4)
        with Live(console=screen, auto_refresh=False) as live:
            yield lambda progress: live.update(
                view(progress, width=screen.width, rows=rows), refresh=True
            )
        return
    told: list[object] = [None]

    def line(progress: Progress) -> None:
        state = (progress.presence, progress.counts, progress.errors)
        if state != told[0]:
            told[0] = state
            screen.print(summary(progress), markup=False, highlight=False, soft_wrap=True)

    yield line


def _looks(follower: Follower, progress: Progress, every: float) -> Iterator[Progress]:
    """The first look, and one ``every`` so many seconds while somebody works there."""
    yield progress
    while progress.working:
        time.sleep(every)
        progress = follower.look()
        yield progress


def _code(progress: Progress) -> int:
    from phyrefine.cli import STOPPED_EARLY

    left = sum(count for state, count in progress.counts.items() if state != "done")
    return STOPPED_EARLY if left and not progress.working else 0
