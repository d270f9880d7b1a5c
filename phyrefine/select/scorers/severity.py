"""The critic's own verdicts as scores: free, and blind where the critic is."""

from __future__ import annotations

import math

from attrs import frozen

from phyrefine.types import Pool, PoolScores


@frozen
class Severity:
    """The critic's own verdicts as scores; clips that the critic did not watch have no opinion.

    Attributes:
        name: Under which the scores are recorded.
    """

    name: str = "critics_pick"

    def score_pool(self, pool: Pool) -> PoolScores:
        """Less severity times confidence is better; a clip that stands still is worst."""
        values: dict[str, float] = {}
        for entry in pool.entries:
            critique = entry.attempt.critique if entry.pick.candidate == 0 else None
            values[entry.key] = (
                math.nan if critique is None else -critique.severity - 100.0 * critique.still
            )
        return PoolScores(values)
