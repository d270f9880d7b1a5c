"""Scores of several runs as one table for people."""

from __future__ import annotations

from collections.abc import Mapping

from phyrefine.physics_iq.aggregate import MOST_RUNS, aggregate, headline
from phyrefine.physics_iq.evaluate import Evaluation
from phyrefine.physics_iq.layout import Edition
from phyrefine.physics_iq.original import original_score
from phyrefine.physics_iq.verified import METRICS, verified_score
from phyrefine.table import Table


def score_table(runs: Mapping[str, Evaluation]) -> Table:
    """Both formulas for each run, and mean and deviation over them.

    Only one of the two columns is a leaderboard's number: that of the edition the ground truth
    belongs to; a note says which.
    """
    lines = []
    for name, run in runs.items():
        verified = verified_score(run.table)
        parts = [f"{100 * verified.metrics[metric]:.2f}" for metric in METRICS]
        original = f"{original_score(run.table).score:.2f}"
        lines.append([name, original, f"{100 * verified.score:.2f}", *parts])
    first = next(iter(runs.values())).provenance
    counts = "Original" if first.edition is Edition.ORIGINAL else "Verified"
    notes = [f"Ground truth: {first.edition} at {first.fps} FPS; {counts} is the number to quote."]
    if not all(run.provenance.official for run in runs.values()):
        notes.append("NOT OFFICIAL: masks were not handled as the official program does.")
    if first.resampled:
        notes.append("The footage was blended from 30 FPS; the official program stores it lossily.")
    if 1 < len(runs) <= MOST_RUNS:
        combined = aggregate(list(runs.values()))
        notes += [f"{label}: {item}" for label, item in combined.spreads.items()]
    best = max(runs, key=lambda name: headline(runs[name].table, first.edition))
    if len(runs) > 1:
        notes.append(f"Best run: {best}.")
    columns = ("run", "Original", "Verified", "SP", "WS", "ST", "MSE")
    return Table(columns, lines, notes=tuple(notes))
