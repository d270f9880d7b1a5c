"""The motion guard: which clips move enough to compete.

Every measure of smoothness or likelihood prefers the clip that moves least, and a frozen clip is
its optimum. So a rule chooses within the moving part of the pool.
"""

from __future__ import annotations

import numpy as np
from attrs import frozen

from phyrefine.errors import InvalidInputError
from phyrefine.select.agreement.views import PoolView, look
from phyrefine.types import Pool


@frozen
class Guarded:
    """What the guard left.

    Attributes:
        kept: Keys of the clips that compete, in order.
        removed: Keys of the others.
        reason: In words; empty when all compete.
        amounts: Motion of every clip in gray levels, by key.
        median: Of the amounts.
        prefix: Motion of the prefix; ``None`` where it is not known.
    """

    kept: tuple[str, ...]
    removed: tuple[str, ...]
    reason: str
    amounts: dict[str, float]
    median: float
    prefix: float | None

    def motion_in_words(self, key: str) -> str:
        """Motion of the prefix, the pool and one clip, which shows also who moves too much."""
        before = "" if self.prefix is None else f"prefix {self.prefix:.2f}, "
        return (
            f"motion in gray levels: {before}pool's median {self.median:.2f}, "
            f"this clip {self.amounts[key]:.2f}"
        )


@frozen
class MotionGuard:
    """Removes clips that stand still or move far less than the pool does.

    When the prefix is known to stand still, nothing is removed: standing still may be right. A
    frozen clip never competes with moving ones otherwise, however many frozen ones there are.

    Attributes:
        share: Clips with less than this share of the moving clips' median motion are removed;
            1 keeps the upper half, 0 removes frozen clips only.
    """

    share: float = 0.5

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise InvalidInputError(
                f"The motion guard's share of the median lies in 0..1, not {self.share!r}."
            )

    def apply(self, pool: Pool) -> Guarded:
        """Split a pool into what competes and what does not."""
        return self.split(pool, look(pool.scenario, pool.clips))

    def split(self, pool: Pool, seen: PoolView) -> Guarded:
        """The same, for a pool that was measured already."""
        amounts = {k: view.amount for k, view in zip(pool.keys, seen.views, strict=True)}
        median = float(np.median(list(amounts.values())))
        moving = [k for k, view in zip(pool.keys, seen.views, strict=True) if not view.still]
        if seen.prefix_still or not moving:
            return Guarded(pool.keys, (), "", amounts, median, seen.prefix_amount)
        least = self.share * float(np.median([amounts[key] for key in moving]))
        kept = tuple(key for key in moving if amounts[key] >= least)
        removed = tuple(key for key in pool.keys if key not in kept)
        reason = f"left out because they move too little: {', '.join(removed)}" if removed else ""
        return Guarded(kept, removed, reason, amounts, median, seen.prefix_amount)
