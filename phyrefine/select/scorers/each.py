"""Scorers that see one clip at a time, as scorers of a pool."""

from __future__ import annotations

import math
import statistics

from attrs import frozen

from phyrefine.protocols import Scorer
from phyrefine.refine.asking import UNUSABLE
from phyrefine.select.scorers.judge import Judge
from phyrefine.types import Pool, PoolScores


@frozen
class EachClip:
    """Asks a clip scorer about every clip; one that says nothing usable has no opinion.

    Attributes:
        scorer: Scores one clip.
    """

    scorer: Scorer

    @property
    def name(self) -> str:
        """The scorer's."""
        return self.scorer.name

    def score_pool(self, pool: Pool) -> PoolScores:
        """A score for every clip."""
        values: dict[str, float] = {}
        spreads: list[float] = []
        failed: list[str] = []
        for entry in pool.entries:
            try:
                looks = self._looks(pool, entry.key)
            except UNUSABLE as error:
                values[entry.key] = math.nan
                failed.append(f"no opinion of {entry.key} ({error})")
                continue
            values[entry.key] = statistics.fmean(looks)
            if len(looks) > 1:
                spreads.append(statistics.stdev(looks) / len(looks) ** 0.5)
        return PoolScores(values, tuple(failed), statistics.fmean(spreads) if spreads else None)

    def _looks(self, pool: Pool, key: str) -> tuple[float, ...]:
        clip = pool[key].candidate.clip
        if isinstance(self.scorer, Judge):
            return self.scorer.scores(pool.scenario, clip)
        return (self.scorer.score(pool.scenario, clip),)
