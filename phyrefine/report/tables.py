"""The report's tables, also for notebooks and terminals."""

from __future__ import annotations

import collections
from collections.abc import Sequence

from phyrefine.report import words
from phyrefine.report.figures import titles
from phyrefine.table import Table
from phyrefine.types import Attempt, Pick, Refinement, Usage, pick_key


def violations_of(attempt: Attempt | None) -> int | None:
    """How many violations the critic found; ``None`` when it was not asked."""
    if attempt is None or attempt.critique is None:
        return None
    return len(attempt.critique.violations)


def attempts_table(refinement: Refinement) -> Table:
    """One row per attempt: prompt, violations, seam, score, and which was chosen."""
    choice = refinement.choice
    rows, names = [], titles(refinement.attempts)
    for position, attempt in enumerate(refinement.attempts):
        critique = attempt.critique
        found = [item.status for item in critique.violations] if critique else []
        scores = [
            choice.scores[key]
            for index in range(len(attempt.candidates))
            if choice and (key := pick_key(Pick(position, index))) in choice.scores
        ]
        rows.append(
            (
                names[position],
                attempt.prompt.words,
                len(found) if critique else None,
                sum(status == "new" for status in found) if critique else None,
                sum(status == "persisting" for status in found) if critique else None,
                len(critique.fixed) if critique else None,
                critique.severity if critique else None,
                _seams(attempt),
                max(scores) if scores else None,
                "★" if choice and choice.pick.attempt == position else "",
            )
        )
    best = (
        "best score" if any(len(item.candidates) > 1 for item in refinement.attempts) else "score"
    )
    columns = (
        *("attempt", "prompt words", "violations", "new", "persisting", "fixed", "severity"),
        *("seam", best, "chosen"),
    )
    return Table(columns, rows, notes=_stamps(refinement))


def _stamps(refinement: Refinement) -> tuple[str, ...]:
    choice = refinement.choice
    if choice is not None and choice.oracle:
        return (f"Chosen by {choice.selector}, which saw the ground truth.",)
    if choice is not None and choice.human:
        return ("Chosen by people, who rated the clips.",)
    return ()


def _seams(attempt: Attempt) -> str:
    reports = [item.seam for item in attempt.candidates if item.seam is not None]
    if not reports:
        return "not checked"
    bad = sum(not report.ok for report in reports)
    if not bad:
        return "joins"
    return "does not join" if len(reports) == 1 else f"{bad} of {len(reports)} do not join"


def costs_table(refinement: Refinement) -> Table:
    """One row per attempt and one in total: calls, tokens, time, dollars."""
    names = titles(refinement.attempts)
    rows = [
        _usage_row(name, attempt.usage)
        for name, attempt in zip(names, refinement.attempts, strict=True)
    ]
    rows.append(_usage_row("In all", refinement.usage))
    columns = ("", "calls", "from the store", "tokens", "in backends", "generating video", "cost")
    return Table(
        columns, rows, notes=("In all includes the prediction, the first prompt and the choice.",)
    )


def _usage_row(name: str, usage: Usage) -> tuple[object, ...]:
    return (
        name,
        usage.calls,
        usage.saved_calls,
        words.tokens(usage),
        words.seconds(usage.seconds),
        words.seconds(usage.gpu_seconds),
        words.dollars(usage.usd),
    )


def gallery_table(groups: Sequence[tuple[str, Sequence[Refinement]]]) -> Table:
    """One row per physics domain: runs, violations before and after, how runs stopped."""
    rows = []
    for domain, runs in groups:
        judged = [
            (violations_of(run.attempts[0]), violations_of(run.best))
            for run in runs
            if run.choice is not None
        ]
        pairs = [(a, b) for a, b in judged if a is not None and b is not None]
        rows.append(
            (
                domain,
                len(runs),
                _endings(runs),
                _mean([before for before, _ in pairs]),
                _mean([after for _, after in pairs]),
                _mean([len(run.attempts) for run in runs]),
            )
        )
    columns = (
        "domain",
        "runs",
        "stopped by",
        "violations at first",
        "in the chosen clip",
        "attempts",
    )
    return Table(columns, rows, notes=("Violations are the critic's, means over judged runs.",))


def _endings(runs: Sequence[Refinement]) -> str:
    """How runs ended, the most frequent first: ``"2 clean, 1 loop limit"``."""
    counted = collections.Counter(words.words(run.stopped_by) for run in runs)
    return ", ".join(f"{count} {ending}" for ending, count in counted.most_common())


def _mean(values: Sequence[int]) -> float | None:
    return sum(values) / len(values) if values else None
