"""Means and paired differences with 95 % bootstrap intervals over scenes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from attrs import frozen

BOOTSTRAPS = 2000
ByScene = Mapping[int, float]


@frozen
class Interval:
    """A mean over scenes and its 95 % percentile bootstrap interval."""

    mean: float
    low: float
    high: float
    scenes: int

    def text(self, *, signed: bool = False, digits: int = 1) -> str:
        """Such as ``+2.4 [0.8, 4.0]``."""
        sign = "+" if signed else ""
        low, high = f"{self.low:.{digits}f}", f"{self.high:.{digits}f}"
        return f"{self.mean:{sign}.{digits}f} [{low}, {high}]"


def interval(values: ByScene, bootstraps: int = BOOTSTRAPS) -> Interval:
    """Resample scenes with replacement; the same scenes give the same interval in any order.

    Raises:
        ValueError: There is no scene.
    """
    if not values:
        raise ValueError("No scene has a value, so there is no mean.")
    means = np.array([values[scene] for scene in sorted(values)])
    rng = np.random.default_rng(0)
    drawn = means[rng.integers(0, len(means), (bootstraps, len(means)))].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(float(means.mean()), float(low), float(high), len(means))


def difference(one: ByScene, other: ByScene) -> Interval:
    """``one - other``, paired by scene: scenes that only one of them has are left out."""
    return interval({scene: one[scene] - other[scene] for scene in one if scene in other})
