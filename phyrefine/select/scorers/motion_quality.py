"""Statistics of motion from pixels alone: jerk, warp error, the jump at the seam, appearing.

Unproven: marked so until a rank correlation with truth says otherwise.
"""

from __future__ import annotations

import functools

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.select.agreement.views import look
from phyrefine.select.combining.ranks import rank_sums
from phyrefine.types import Pool, PoolScores, Scenario
from phyrefine.video.flow import BLOCK, STEP, Flow, block_flow
from phyrefine.video.recent import Recent
from phyrefine.video.thumbnails import thumbnails

# Forward and backward vectors that differ by more than this are no match (pixels; share of both).
MISMATCH = (1.0, 0.1)
_NAN = float("nan")


@frozen
class MotionQuality:
    """Rank sum of four statistics, smaller is better; unproven.

    ``jerk``: change of the change of mean speed, over mean speed. ``warp_error``: gray levels by
    which matched blocks differ. ``seam_jump``: change of the mean vector from the last pair of
    the prefix to the first of the continuation, over its length. ``unmatched``: share of moving
    blocks whose forward and backward vectors do not fit each other, that is, what appears or
    vanishes.

    Attributes:
        name: Under which the scores are recorded.
    """

    name: str = "motion_quality"

    def score_pool(self, pool: Pool) -> PoolScores:
        """Mean rank over the statistics, with its sign turned."""
        seen = look(pool.scenario, pool.clips)
        found = {
            key: _remembered.get(
                (view.digest, view.gray.shape, _digest(pool.scenario)),
                functools.partial(quality, view.gray, _last_prefix(pool.scenario, view.gray)),
            )
            for key, view in zip(pool.keys, seen.views, strict=True)
        }
        names = ("jerk", "warp_error", "seam_jump", "unmatched")
        scores = [{key: -stats[name] for key, stats in found.items()} for name in names]
        silent = {key for key in pool.keys if all(np.isnan(one[key]) for one in scores)}
        ranks = rank_sums(scores, (1.0,) * len(names), pool.keys)
        return PoolScores({key: _NAN if key in silent else -rank for key, rank in ranks.items()})


_remembered: Recent[dict[str, float]] = Recent(512)


def _digest(scenario: Scenario) -> str | None:
    return None if scenario.prefix is None else scenario.prefix.digest


def quality(
    gray: NDArray[np.float32], before: NDArray[np.float32] | None = None
) -> dict[str, float]:
    """The four statistics of a small gray video.

    Args:
        gray: float32 [T, H, W], 0..255.
        before: The last two frames of the prefix, alike in size and rate, if there are any.

    Returns:
        By name; NaN where nothing moves or there are too few frames.
    """
    if min(gray.shape[1:]) < BLOCK or len(gray) < 2:
        return dict.fromkeys(("jerk", "warp_error", "seam_jump", "unmatched"), _NAN)
    forward, backward = block_flow(gray[:-1], gray[1:]), block_flow(gray[1:], gray[:-1])
    speeds = np.linalg.norm(forward.vectors, axis=3).mean(axis=(1, 2))
    mean = float(speeds.mean())
    jerk = np.abs(speeds[2:] - 2 * speeds[1:-1] + speeds[:-2])
    moved = forward.error[_moving(forward)]
    seam = None if before is None else block_flow(before[:1], before[1:])
    return {
        "jerk": float(jerk.mean()) / mean if mean > 0 and len(jerk) else _NAN,
        "warp_error": float(moved.mean()) if len(moved) else _NAN,
        "seam_jump": _seam_jump(seam, forward),
        "unmatched": _unmatched(forward, backward),
    }


def _moving(flow: Flow) -> NDArray[np.bool_]:
    return np.asarray(flow.vectors.any(axis=3))


def _seam_jump(before: Flow | None, after: Flow) -> float:
    if before is None:
        return _NAN
    one, other = (_first_vector(flow) for flow in (before, after))
    length = max(float(np.linalg.norm(one)), float(np.linalg.norm(other)))
    return float(np.linalg.norm(one - other)) / (length + 1.0)


def _first_vector(flow: Flow) -> NDArray[np.float64]:
    """Mean vector of what moves in the first pair of frames; zero if nothing does."""
    moving = _moving(flow)[0]
    if not moving.any():
        return np.zeros(2)
    mean: NDArray[np.float64] = flow.vectors[0][moving].mean(axis=0, dtype=np.float64)
    return mean


def _unmatched(forward: Flow, backward: Flow) -> float:
    bad = total = 0
    for ahead, back in ((forward, backward), (backward, forward)):
        moving = _moving(ahead)
        total += int(moving.sum())
        bad += int((moving & ~_fits(ahead.vectors, back.vectors)).sum())
    return bad / total if total else _NAN


def _fits(ahead: NDArray[np.float32], back: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether the vector at the place a block went to leads back to it."""
    times, rows, columns = np.indices(ahead.shape[:3])
    there_row = np.clip(rows + np.rint(ahead[..., 0] / STEP).astype(int), 0, ahead.shape[1] - 1)
    there_column = np.clip(
        columns + np.rint(ahead[..., 1] / STEP).astype(int), 0, ahead.shape[2] - 1
    )
    returned = back[times, there_row, there_column]
    lengths = np.linalg.norm(ahead, axis=3) + np.linalg.norm(returned, axis=3)
    misses = np.linalg.norm(ahead + returned, axis=3)
    return np.asarray(misses < MISMATCH[0] + MISMATCH[1] * lengths)


def _last_prefix(scenario: Scenario, gray: NDArray[np.float32]) -> NDArray[np.float32] | None:
    if scenario.prefix is None or len(scenario.prefix) < 2:
        return None
    before = thumbnails(scenario.prefix, (gray.shape[1], gray.shape[2])).gray
    return before[-2:] if len(before) > 1 else None
