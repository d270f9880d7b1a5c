"""Where a run stands, on the terminal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from phyrefine._secrets import scrub
from phyrefine.report import words
from phyrefine.report.live import STATES, state_words
from phyrefine.run.following.follower import Progress
from phyrefine.run.following.progress import ScenarioProgress

_STYLES = {"done": "green", "running": "cyan", "failed": "red", "stopped": "yellow"}
_LETTERS = {"done": "█", "running": "▓", "failed": "x", "stopped": "-", "waiting": "░"}
# Rows of each table: the view fits a usual terminal.
MOST_ROWS = 8
# Columns that everything but the prompt of a clip needs.
WIDE = 100


def view(progress: Progress, *, width: int = 132, rows: int = MOST_ROWS) -> RenderableType:
    """Everything: a bar, what it took, what is running, what failed, the latest clips.

    Args:
        progress: Where the run stands.
        width: Columns of the terminal.
        rows: Rows of each table at the most.
    """
    parts: list[RenderableType] = [
        Text(f"{progress.kind} {progress.folder}: {_presence(progress)}", style="bold"),
        _bar(progress, min(60, width)),
        _counts(progress),
        Text(took(progress)),
    ]
    running = [one for one in progress.scenarios if one[1].state == "running"]
    if running:
        parts.append(_running(progress, running, rows))
    lost = [one for one in progress.scenarios if one[1].state in ("failed", "stopped")]
    if lost:
        parts.append(_lost(lost, rows))
    if progress.clips:
        parts.append(_clips(progress, width, rows))
    parts += [Text(f"failed: {_plain(said, 120)}", style="red") for said in progress.errors[:rows]]
    return Group(*parts)


def summary(progress: Progress) -> str:
    """One line, for a log."""
    counts = ", ".join(_counted(progress))
    return f"{progress.folder}: {state_words(progress)}: {counts}; {took(progress)}"


def took(progress: Progress) -> str:
    """Generators, calls, clips, GPU time and dollars, in words."""
    return "; ".join(_parts(progress))


def _parts(progress: Progress) -> Iterator[str]:
    spent = progress.spent
    if progress.generators is not None:
        busy, total = progress.generators
        yield f"{busy} of {total} generators busy, {total - busy} idle"
    yield f"{spent.clips:g} clips"
    failed = f" ({spent.failed_calls} failed)" if spent.failed_calls else ""
    yield f"{spent.calls} calls{failed}"
    yield f"{spent.tokens:,} tokens"
    yield f"{words.seconds(spent.gpu_seconds)} generating video"
    unknown = f" and {spent.unpriced} calls of unknown price" if spent.unpriced else ""
    yield f"{words.dollars(spent.usd)}{unknown}"
    if progress.unread:
        yield f"{progress.unread} events of another version left out"


def _presence(progress: Progress) -> str:
    by = f" ({progress.holder})" if progress.holder else ""
    if progress.changed is None:
        return state_words(progress) + by
    said = f"{state_words(progress)}{by}, last event {_ago(progress.changed)} ago"
    begun = progress.begun
    return said if begun is None else f"{said}, begun {_ago(begun)} ago"


def _ago(time: dt.datetime) -> str:
    return words.seconds(max(0.0, (dt.datetime.now(dt.UTC) - time).total_seconds()))


def _counted(progress: Progress) -> list[str]:
    total = sum(progress.counts.values())
    counts = [f"{progress.counts.get(state, 0)} {state}" for state in STATES]
    known = "" if progress.planned is not None else " known so far"
    return [*counts, f"{total} in all{known}"]


def _counts(progress: Progress) -> Text:
    line = Text()
    for state, said in zip((*STATES, ""), _counted(progress), strict=True):
        line.append(f"{said}   ", style=_STYLES.get(state, ""))
    return line


def _running(progress: Progress, running: list[tuple[str, ScenarioProgress]], rows: int) -> Table:
    table = _table("Running")
    for title in ("scenario", "attempts", "violations", "last call"):
        table.add_column(title)
    many = len(progress.runs) > 1
    for run, one in running[:rows]:
        found = "" if one.violations is None else str(one.violations)
        name = f"{run}: {one.name}" if many else one.name
        table.add_row(Text(_plain(name)), str(one.attempts), found, one.now)
    _more(table, len(running), rows)
    return table


def _lost(lost: list[tuple[str, ScenarioProgress]], rows: int) -> Table:
    table = _table("Not finished")
    for title in ("scenario", "ended by", "why"):
        table.add_column(title)
    for _, one in lost[-rows:]:
        table.add_row(Text(_plain(one.name)), one.ending, Text(_plain(one.reason, 90)))
    _more(table, len(lost), rows)
    return table


def _clips(progress: Progress, width: int, rows: int) -> Table:
    """The latest clips; their prompts where there is room for both those and the files."""
    table, prompts = _table("Latest clips"), width > WIDE
    titles = ("scenario", "attempt", "violations", *(("prompt",) if prompts else ()), "file")
    for title in titles:
        table.add_column(title, no_wrap=title != "file", overflow="fold")
    for clip in progress.clips[:rows]:
        file = clip.file
        table.add_row(
            Text(_plain(clip.name, 24)),
            str(clip.position),
            "" if clip.violations is None else str(clip.violations),
            *((Text(_plain(clip.prompt, width - WIDE)),) if prompts else ()),
            Text("" if file is None else str(file)),
        )
    return table


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=None, pad_edge=False, title_style="bold")


def _bar(progress: Progress, width: int) -> Text:
    """One letter in ``width`` for each share of the scenarios, by state."""
    total = max(1, sum(progress.counts.values()))
    bar, filled, seen = Text(), 0, 0
    for state in STATES:
        seen += progress.counts.get(state, 0)
        letters = round(width * seen / total) - filled
        filled += letters
        bar.append(_LETTERS[state] * letters, style=_STYLES.get(state, "dim"))
    return bar


def _more(table: Table, count: int, rows: int) -> None:
    if count > rows:
        table.add_row(f"and {count - rows} more", *[""] * (len(table.columns) - 1))


def _plain(text: str, width: int = 60) -> str:
    line = " ".join(str(words.visible(scrub(text))).split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
