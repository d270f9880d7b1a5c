"""Scores of several runs as one table for people."""

from __future__ import annotations

from collections.abc import Mapping

from phyrefine.physics_iq.data.layout import SAMPLES, Edition
from phyrefine.physics_iq.scoring.aggregate import MOST_RUNS, aggregate, headline
from phyrefine.physics_iq.scoring.evaluation import Evaluation, Provenance
from phyrefine.physics_iq.scoring.original import original_score
from phyrefine.physics_iq.scoring.verified import METRICS, verified_score
from phyrefine.table import Table


def score_table(runs: Mapping[str, Evaluation]) -> Table:
    """Both formulas for each run, and mean and deviation over them.

    Only one of the two columns is a leaderboard's number: that of the edition the ground truth
    belongs to; a note says which, or that neither may be quoted. Fewer than all samples
    are never quoted.
    """
    lines = []
    for name, run in runs.items():
        verified = verified_score(run.table)
        parts = [f"{100 * verified.metrics[metric]:.2f}" for metric in METRICS]
        original = f"{original_score(run.table).score:.2f}"
        lines.append([name, original, f"{100 * verified.score:.2f}", *parts])
    first = next(iter(runs.values())).provenance
    counts = "Original" if first.edition is Edition.ORIGINAL else "Verified"
    where = (
        f"{first.samples} of {SAMPLES} samples. Ground truth: {first.edition} at {first.fps} FPS"
    )
    if all(run.provenance.quotable for run in runs.values()):
        notes = [f"{where}; {counts} is the number to quote."]
    else:
        notes = [f"{where}.", *_unofficial(first)]
    if 1 < len(runs) <= MOST_RUNS:
        combined = aggregate(list(runs.values()))
        notes += [f"{label}: {item}" for label, item in combined.spreads.items()]
    elif len(runs) > MOST_RUNS:
        notes.append(
            f"No mean and deviation: the official aggregate takes at most {MOST_RUNS} runs, these "
            f"are {len(runs)}."
        )
    best = max(runs, key=lambda name: headline(runs[name].table, first.edition))
    if len(runs) > 1:
        notes.append(f"Best run, chosen by ground truth: {best}. Never enter a run for that.")
    columns = ("run", "Original", "Verified", "SP", "WS", "ST", "MSE")
    return Table(columns, lines, notes=tuple(notes))


def _unofficial(said: Provenance) -> list[str]:
    if said.official:
        why = f"the benchmark is the mean of {SAMPLES} samples, and {said.samples} were scored"
        return [f"NOT A NUMBER TO QUOTE: {why}."]
    notes = ["NOT OFFICIAL: neither number is one to quote."]
    if said.lossless or (said.made_masks and said.edition is Edition.VERIFIED):
        notes.append("Masks were not handled as the official program does.")
    if said.resampled:
        notes.append("The footage was blended from 30 FPS; the official program stores it lossily.")
    return notes
