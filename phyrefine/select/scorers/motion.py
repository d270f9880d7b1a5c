"""The amount of motion as a score: a control, not a method."""

from __future__ import annotations

from attrs import field, frozen, validators

from phyrefine.select.agreement.views import look
from phyrefine.types import Pool, PoolScores


@frozen
class MotionAmount:
    """Mean distance of a pixel from its own median over time, in gray levels.

    Attributes:
        sign: 1 prefers the clip that moves most, -1 the one that moves least.
    """

    sign: int = field(default=1, validator=validators.in_((1, -1)))

    @property
    def name(self) -> str:
        """``most_motion`` or ``least_motion``."""
        return "most_motion" if self.sign > 0 else "least_motion"

    def score_pool(self, pool: Pool) -> PoolScores:
        """Motion of every clip, with its sign."""
        views = look(pool.scenario, pool.clips).views
        pairs = zip(pool.keys, views, strict=True)
        return PoolScores({key: self.sign * view.amount for key, view in pairs})
