"""Expected agreement: the clip that agrees best with all others of the pool.

The benchmark rewards overlap of motion with what really happens. The clip with the greatest
expected overlap with the model's own samples is the best guess under the model's own uncertainty
(minimum Bayes risk decoding, the samples standing in for the truth). It cannot help where all
samples share one mistake.
"""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.select.agreement.utility import pairwise
from phyrefine.select.agreement.views import look
from phyrefine.types import Pool, PoolScores

NOTHING_MOVES = "nothing moves in any clip, so that agreement is no evidence"
_NAN = float("nan")


@frozen
class Consensus:
    """Mean agreement with the other clips: 1 is perfect, NaN where there is no evidence.

    Equal clips vote once: a clip is compared with the others that differ from it, and of several
    equal ones only the first counts as another's witness.

    Attributes:
        name: Under which the scores are recorded.
    """

    name: str = "consensus"

    def score_pool(self, pool: Pool) -> PoolScores:
        """Expected agreement of every clip."""
        views = look(pool.scenario, pool.clips).views
        table = pairwise(views)
        seen: set[str] = set()
        for column, view in enumerate(views):
            if view.digest in seen:
                table[:, column] = _NAN
            seen.add(view.digest)
        means = [_mean(row) for row in table]
        notes = _notes(len(seen), [bool(view.track.counts.any()) for view in views])
        values = dict(zip(pool.keys, means, strict=True))
        return PoolScores(values, notes, _noise(table))


def _mean(row: NDArray[np.float64]) -> float:
    finite = row[np.isfinite(row)]
    return float(finite.mean()) if len(finite) else _NAN


def _noise(table: NDArray[np.float64]) -> float | None:
    """Standard error of a mean agreement, over the witnesses; median of the clips."""
    errors = []
    for row in table:
        finite = row[np.isfinite(row)]
        if len(finite) > 1:
            errors.append(float(finite.std(ddof=1)) / len(finite) ** 0.5)
    return float(np.median(errors)) if errors else None


def _notes(distinct: int, moving: list[bool]) -> tuple[str, ...]:
    if distinct < 2:
        return ("all clips are the same, so that agreement says nothing",)
    if not any(moving):
        return (NOTHING_MOVES,)
    if distinct == 2:
        return ("two clips agree with each other equally: agreement cannot choose between them",)
    return ()
