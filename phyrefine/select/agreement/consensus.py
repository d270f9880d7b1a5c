"""Expected agreement: the clip that agrees best with all others of the pool.

The benchmark rewards overlap of motion with what really happens. The clip with the greatest
expected overlap with the model's own samples is the best guess under the model's own uncertainty
(minimum Bayes risk decoding, the samples standing in for the truth). It cannot help where all
samples share one mistake.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.errors import InvalidInputError
from phyrefine.select.agreement.utility import pairwise
from phyrefine.select.agreement.views import PoolView, look, look_at
from phyrefine.types import Pool, PoolScores
from phyrefine.video.thumbnails import Thumbnails, read_thumbnails

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
        return expected_agreement(pool.keys, look(pool.scenario, pool.clips))


def expected_agreement(keys: Sequence[str], seen: PoolView) -> PoolScores:
    """Mean agreement of every clip with those that differ from it.

    Args:
        keys: Of the clips.
        seen: What was measured of them, in the same order.
    """
    table = pairwise(seen.views)
    digests: set[str] = set()
    for column, view in enumerate(seen.views):
        if view.digest in digests:
            table[:, column] = _NAN
        digests.add(view.digest)
    means = [_mean(row) for row in table]
    notes = _notes(len(digests), [bool(view.track.counts.any()) for view in seen.views])
    return PoolScores(dict(zip(keys, means, strict=True)), notes, _noise(table))


def consensus_of_files(paths: Sequence[str | Path], prefix: str | Path | None = None) -> PoolScores:
    """Expected agreement of video files, read frame by frame: no clip is ever whole in memory.

    Args:
        paths: Continuations of one prefix; their paths are the keys of the scores.
        prefix: The video they continue, for its noise.

    Raises:
        InvalidInputError: There is no file.
        VideoError: A file is missing or is not a video.
    """
    if not paths:
        raise InvalidInputError("There is no video to choose from.")
    first = read_thumbnails(paths[0])
    size = (first.gray.shape[1], first.gray.shape[2])
    small = [first, *(read_thumbnails(path, size) for path in paths[1:])]
    before = read_thumbnails(prefix, size) if prefix is not None else None
    named = [(_digest(one), one) for one in small]
    seen = look_at(named, before if before is not None and len(before.gray) > 1 else None)
    return expected_agreement([str(path) for path in paths], seen)


def _digest(small: Thumbnails) -> str:
    return hashlib.blake2b(small.gray.tobytes(), digest_size=16).hexdigest()


def _mean(row: NDArray[np.float64]) -> float:
    finite = row[np.isfinite(row)]
    return float(finite.mean()) if len(finite) else _NAN


def _noise(table: NDArray[np.float64]) -> float | None:
    """Standard error of a mean agreement, for telling clips of one pool apart.

    The other clips are the same witnesses for all, and some agree less with everybody. What a
    clip and a witness are like on the whole is taken out first: what is left, over the square
    root of the number of witnesses, is the noise.
    """
    seen = np.isfinite(table)
    if min(seen.sum(axis=1)) < 2:
        return None
    rows, columns = np.nanmean(table, axis=1), _column_means(table)
    rest = (table - rows[:, None] - columns[None, :] + np.nanmean(table))[seen]
    return float(rest.std() / np.sqrt(seen.sum(axis=1).mean()))


def _column_means(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each column; 0 for the column of a clip that is nobody's witness."""
    seen = np.isfinite(table)
    total = np.where(seen, table, 0.0).sum(axis=0)
    means = np.zeros(len(table))
    np.divide(total, seen.sum(axis=0), out=means, where=seen.any(axis=0))
    return means


def _notes(distinct: int, moving: list[bool]) -> tuple[str, ...]:
    if distinct < 2:
        return ("all clips are the same, so that agreement says nothing",)
    if not any(moving):
        return (NOTHING_MOVES,)
    if distinct == 2:
        return ("two clips agree with each other equally: agreement cannot choose between them",)
    return ()
