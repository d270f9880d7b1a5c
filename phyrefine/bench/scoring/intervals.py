"""Bootstrap intervals over prompts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import frozen

RESAMPLES = 10_000


@frozen
class Estimate:
    """A mean over prompts.

    Attributes:
        mean: The mean.
        low: Lower end of its 95 % interval; ``None`` for fewer than two prompts.
        high: Upper end.
        count: Prompts.
    """

    mean: float
    low: float | None
    high: float | None
    count: int

    def shown(self, form: str = ".2f", *, sign: bool = False) -> str:
        """``mean [low, high]``."""
        form = f"+{form}" if sign else form
        if self.low is None or self.high is None:
            return f"{self.mean:{form}}"
        return f"{self.mean:{form}} [{self.low:{form}}, {self.high:{form}}]"


def estimate(values: Sequence[float], *, seed: int = 0) -> Estimate | None:
    """The mean and its percentile bootstrap interval over prompts (10 000 resamples).

    Args:
        values: One for each prompt, a mean over its seeds.
        seed: Of the resampling.

    Returns:
        ``None`` without values.
    """
    if not values:
        return None
    array = np.asarray(values, float)
    low = high = None
    if len(array) > 1:
        random = np.random.default_rng(seed)
        # In parts, so that thousands of prompts take little memory.
        means = [
            array[random.integers(0, len(array), (100, len(array)))].mean(axis=1)
            for _ in range(RESAMPLES // 100)
        ]
        low, high = (float(end) for end in np.quantile(np.concatenate(means), (0.025, 0.975)))
    return Estimate(float(array.mean()), low, high, len(array))
