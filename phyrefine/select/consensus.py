"""Consensus: the clip most like all others. What many samples agree on is rarely the accident."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.select.pool import entries, highest
from phyrefine.types import Attempt, Choice, Scenario
from phyrefine.video.clip import Clip
from phyrefine.video.frames import resample, resize

# Work size and rate of the comparison: positions matter, textures do not.
SIDE = 48
FPS = 8.0


@frozen
class Consensus:
    """The medoid: least mean distance to all other clips of the pool.

    The distance is the mean absolute difference of small gray videos, after each pixel's own
    median over time is taken away, so that what moves counts and the background does not.
    """

    def choose(self, scenario: Scenario, attempts: Sequence[Attempt]) -> Choice:
        """The medoid; of two clips or fewer the first."""
        pool = entries(attempts)
        motions = [_motion(entry.candidate.clip) for entry in pool]
        scores = {
            entry.key: -float(np.mean([np.abs(motions[i] - other).mean() for other in motions]))
            for i, entry in enumerate(pool)
        }
        return highest(pool, scores, "consensus")


def _motion(clip: Clip) -> NDArray[np.float32]:
    frames = resample(clip.frames, clip.fps, FPS, max(1, round(clip.duration * FPS)))
    gray = resize(frames, SIDE, SIDE, mode="stretch").astype(np.float32).mean(axis=3)
    moving: NDArray[np.float32] = gray - np.median(gray, axis=0)
    return moving
