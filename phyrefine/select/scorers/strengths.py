"""From who beat whom to how strong each is: Copeland's points and Bradley-Terry strengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

# Virtual wins each way between every two clips: without them an unbeaten one diverges.
VIRTUAL_WINS = 0.5
TOLERANCE = 1e-9
ROUNDS = 10_000
# One-sided 95 % of a normal distribution.
SEPARABLE = 1.64

Matrix = NDArray[np.float64]


@frozen(eq=False)
class Strengths:
    """Bradley-Terry strengths.

    Attributes:
        log: float64 [N]: log strengths, summing to 0.
        errors: float64 [N]: standard errors, from the inverse of the information matrix.
        gap_error: Standard error of the difference of the top two.
    """

    log: Matrix
    errors: Matrix
    gap_error: float

    @property
    def separable(self) -> bool:
        """Whether the top two differ by more than 1.64 standard errors."""
        if len(self.log) < 2:
            return True
        first, second = np.sort(self.log)[::-1][:2]
        return bool(first - second >= SEPARABLE * self.gap_error)


def copeland(wins: Matrix) -> Matrix:
    """Pairs won less pairs lost: float64 [N].

    Args:
        wins: float64 [N, N]: ``wins[i, j]`` is how often i beat j; a split counts half.
    """
    points: Matrix = np.sign(wins - wins.T).sum(axis=1)
    return points


def bradley_terry(
    wins: Matrix | Sequence[Sequence[float]], virtual: float = VIRTUAL_WINS
) -> Strengths:
    """Strengths p that maximize the sum of ``wins[i, j] log(p_i / (p_i + p_j))``.

    By the minorization-maximization update of Hunter (2004): p_i becomes its wins over the sum of
    ``n_ij / (p_i + p_j)``.

    Args:
        wins: float64 [N, N]; ties are half a win each way; the diagonal is not read.
        virtual: Wins added each way to every pair, so that all strengths are finite.
    """
    won = np.array(wins, float) + virtual
    np.fill_diagonal(won, 0.0)
    played = won + won.T
    strength = np.ones(len(won))
    for _ in range(ROUNDS):
        shared = played / (strength[:, None] + strength[None, :])
        moved = won.sum(axis=1) / np.maximum(shared.sum(axis=1), 1e-300)
        moved /= np.exp(np.log(moved).mean())
        change = np.abs(np.log(moved) - np.log(strength)).max(initial=0.0)
        strength = moved
        if change < TOLERANCE:
            break
    log = np.log(strength)
    covariance = _covariance(played, strength)
    first, second = _top_two(log)
    gap = covariance[first, first] + covariance[second, second] - 2 * covariance[first, second]
    return Strengths(log, np.sqrt(np.diag(covariance)), float(np.sqrt(max(0.0, gap))))


def _top_two(log: Matrix) -> tuple[int, int]:
    order = np.argsort(-log, kind="stable")
    return int(order[0]), int(order[min(1, len(order) - 1)])


def _covariance(played: Matrix, strength: Matrix) -> Matrix:
    """Inverse of the information matrix, on the plane where log strengths sum to 0."""
    both = strength[:, None] + strength[None, :]
    shared = played * np.outer(strength, strength) / both**2
    information = np.diag(shared.sum(axis=1)) - shared
    return np.asarray(np.linalg.pinv(information, hermitian=True), np.float64)
