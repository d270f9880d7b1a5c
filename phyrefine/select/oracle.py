"""The oracle: chooses by ground truth. A bound to report beside a method, never the method."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from phyrefine.select.pool import entries, highest
from phyrefine.types import Attempt, Choice, Scenario
from phyrefine.video.clip import Clip

GroundTruthScorer = Callable[[Scenario, Clip], float]


@frozen
class Oracle:
    """The clip a ground-truth scorer likes best; every choice of it is stamped.

    The paper's ensembles (Table 1, rows 7 and 8) are about what such a choice would score.

    Attributes:
        scorer: ``(scenario, delivered clip) -> score``, higher is better; it may open ground
            truth, which nothing else in the loop can.
    """

    scorer: GroundTruthScorer

    def choose(self, scenario: Scenario, attempts: Sequence[Attempt]) -> Choice:
        """The highest true score."""
        pool = entries(attempts)
        scores = {entry.key: self.scorer(scenario, entry.candidate.clip) for entry in pool}
        return highest(pool, scores, "oracle", oracle=True)
