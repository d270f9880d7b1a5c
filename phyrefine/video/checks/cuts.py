"""Cuts inside a clip: a video model asked for one shot may give several.

A cut changes the whole picture between two frames: its histogram and its layout at once, and much
more than the frames around it. Fast motion changes the layout of a part; a change of light the
histogram alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from phyrefine.video.clip import Clip

WORK_SIZE = (36, 64)
BINS = 16
# Mean absolute difference (gray levels) and histogram distance (0..1) a cut has at least, and how
# many times the usual difference of neighboring frames it is.
LEAST_DIFFERENCE = 12.0
LEAST_HISTOGRAM = 0.2
TIMES_USUAL = 6.0


FindCuts = Callable[[Clip], Sequence[float]]


def cuts(clip: Clip) -> tuple[float, ...]:
    """Seconds at which a new shot begins."""
    if len(clip) < 3:
        return ()
    small = clip.resize(*WORK_SIZE, mode="stretch").frames.astype(np.float32)
    difference = np.abs(np.diff(small, axis=0)).mean(axis=(1, 2, 3))
    histograms = np.stack([_histogram(frame) for frame in small])
    distance = np.abs(np.diff(histograms, axis=0)).sum(axis=1) / 2
    found = []
    for index in range(len(difference)):
        around = np.delete(difference[max(0, index - 6) : index + 7], min(index, 6))
        usual = float(np.median(around)) if len(around) else 0.0
        if (
            difference[index] >= max(LEAST_DIFFERENCE, TIMES_USUAL * usual)
            and distance[index] >= LEAST_HISTOGRAM
        ):
            found.append((index + 1) / clip.fps)
    return tuple(found)


def _histogram(frame: NDArray[np.float32]) -> NDArray[np.float64]:
    counts = [np.histogram(frame[..., c], BINS, (0, 256))[0] for c in range(3)]
    joined = np.concatenate(counts).astype(np.float64)
    shares: NDArray[np.float64] = joined / joined.sum()
    return shares
