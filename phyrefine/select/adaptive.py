"""Adaptive N: stop adding clips when a better one is not to be expected.

Uniform best-of-N stays the default for benchmarks, where every scene must cost the same.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from attrs import field, frozen, validators

from phyrefine.errors import InvalidInputError
from phyrefine.protocols import PoolScorer, Selector
from phyrefine.select.combining.combined import Combined
from phyrefine.select.combining.guard import MotionGuard
from phyrefine.select.combining.halving import Halving
from phyrefine.select.pool import known
from phyrefine.select.scorers.each import EachClip
from phyrefine.select.scorers.judge import JudgeEnsemble
from phyrefine.select.scorers.tournament import Tournament
from phyrefine.types import Pool, Verdict

_NORMAL = statistics.NormalDist()


def expected_improvement(scores: Sequence[float], noise: float = 0.0) -> float:
    """How much one more clip is expected to beat the leader, in units of the score.

    For scores drawn from a normal distribution with the mean m and the spread s of those seen:
    ``s (phi(u) - u (1 - Phi(u)))`` with ``u = (max - m) / s`` (Mockus's expected improvement). The
    scorer's own noise is taken out of the spread.

    Args:
        scores: At least two.
        noise: Standard deviation of one score of the same clip.

    Returns:
        0 or more; 0 when the spread is no larger than the noise.
    """
    spread = math.sqrt(max(0.0, statistics.variance(scores) - noise**2))
    if spread == 0:
        return 0.0
    u = (max(scores) - statistics.fmean(scores)) / spread
    return spread * max(0.0, _NORMAL.pdf(u) - u * (1 - _NORMAL.cdf(u)))


@frozen
class StopEarly:
    """Enough clips: the improvement expected of another is below half the noise, or its price.

    Attributes:
        scorer: Scores the clips made so far, without ground truth. A sum of ranks will not do:
            its spread is the same whatever the clips.
        least: Clips made in any case, for a spread to be known.
        price: What one more clip must be expected to gain, in units of the score.
        guard: Which clips compete.
    """

    scorer: PoolScorer
    least: int = field(default=4, validator=validators.ge(2))
    price: float = field(default=0.0, validator=validators.ge(0))
    guard: MotionGuard = field(factory=MotionGuard)

    def decide(self, pool: Pool) -> Verdict:
        """Whether the clips so far are enough."""
        count = len(pool.entries)
        if count < self.least:
            return Verdict(False, "adaptive", f"{count} of at least {self.least} clips")
        said = self.scorer.score_pool(pool.only(self.guard.apply(pool).kept))
        scores = list(known(said.values).values())
        if len(scores) < 2:
            return Verdict(False, "adaptive", f"{self.scorer.name} has no opinion yet")
        noise = said.noise or 0.0
        gain = expected_improvement(scores, noise)
        limit = max(noise / 2, self.price)
        if gain == 0:
            reason = f"{self.scorer.name} cannot tell {count} clips apart beyond its noise"
            return Verdict(True, "adaptive", reason)
        reason = (
            f"another clip is expected to gain {gain:.3g} {self.scorer.name}, limit {limit:.3g}"
        )
        return Verdict(gain < limit, "adaptive", f"after {count} clips {reason}")


def stop_early(rule: Selector) -> StopEarly:
    """Adaptive N for a rule, by its first scorer.

    Raises:
        InvalidInputError: The rule scores nothing.
    """
    if isinstance(rule, Combined | Halving):
        guard = rule.guard or MotionGuard(0.0)
        return StopEarly(rule.scorers[0], guard=guard)
    if isinstance(rule, JudgeEnsemble):
        return StopEarly(EachClip(rule.judge))
    if isinstance(rule, Tournament):
        return StopEarly(rule)
    raise InvalidInputError(
        f"{type(rule).__name__} scores no clips, so it cannot say when they are enough: choose "
        "with a scorer such as consensus or judge."
    )
