"""Pendulums: the circle a bob moves on, its period, and how well it obeys the pendulum law."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.world.eye.measuring.tracking import Track

FloatArray = NDArray[np.float64]


@frozen(eq=False)
class Swing:
    """A bob on a circle.

    Attributes:
        pivot: (x, up) pixels.
        length: Pixels from the pivot to the bob's centre.
        frames: int [N], frames it was measured in.
        times: float [N], seconds.
        angle: float [N], radians from straight down, positive to the right.
        off: float [N], distance from the circle, pixels.
        crossings: float [C], seconds at which the bob passes its middle position.
        turns: float [R, 2], seconds and angle of the turning points.
    """

    pivot: FloatArray
    length: float
    frames: NDArray[np.intp]
    times: FloatArray
    angle: FloatArray
    off: FloatArray
    crossings: FloatArray
    turns: FloatArray

    @property
    def period(self) -> float | None:
        """Seconds of a full swing, from all crossings; ``None`` with fewer than two."""
        if len(self.crossings) < 2:
            return None
        half = (self.crossings[-1] - self.crossings[0]) / (len(self.crossings) - 1)
        return float(2 * half)

    @property
    def amplitude(self) -> float:
        """Largest angle, radians."""
        return float(np.abs(self.angle).max())


def fit_circle(x: FloatArray, up: FloatArray) -> tuple[FloatArray, float, FloatArray]:
    """Least-squares circle (Kasa): centre, radius, and distance of each point from it."""
    basis = np.stack([2 * x, 2 * up, np.ones_like(x)], axis=1)
    solved = np.linalg.lstsq(basis, x**2 + up**2, rcond=None)[0]
    centre = solved[:2]
    radius = float(np.sqrt(max(solved[2] + centre @ centre, 1e-9)))
    off = np.hypot(x - centre[0], up - centre[1]) - radius
    return centre.astype(float), radius, np.asarray(off, float)


def find_swing(track: Track, times: FloatArray, *, expected: bool = False) -> Swing | None:
    """The swing of a track, or ``None`` if it does not swing.

    Args:
        track: Candidate bob.
        times: float [T], seconds.
        expected: Words already say that something swings, so a part of one swing is enough.
    """
    frames = np.flatnonzero(track.seen & ~track.rim)
    if len(frames) < 6 or track.travel < 6.0:
        return None
    x, up = track.x[frames], track.up[frames]
    centre, radius, off = fit_circle(x, up)
    near = np.abs(off) <= 3.0 * max(float(np.median(np.abs(off))), 0.1)
    if near.sum() >= 6:
        centre, radius, _ = fit_circle(x[near], up[near])
        off = np.hypot(x - centre[0], up - centre[1]) - radius
    angle = np.arctan2(x - centre[0], centre[1] - up)
    turns = _turning_points(times[frames], angle)
    swing = Swing(
        centre, radius, frames, times[frames], angle, off, _crossings(times[frames], angle), turns
    )
    return swing if _is_swing(swing, expected) else None


def _is_swing(swing: Swing, expected: bool) -> bool:
    """A circle around a pivot above, with turning points or words that say so."""
    scatter = float(np.median(np.abs(swing.off)))
    arc = float(np.ptp(swing.angle)) * swing.length
    below = float(np.median(np.cos(swing.angle))) > 0.0
    round_enough = scatter < max(0.03 * arc, 0.3) and np.ptp(swing.angle) > 0.12
    if not (below and round_enough and swing.length < 40 * arc):
        return False
    return expected or (len(swing.turns) >= 2 and len(swing.crossings) >= 2)


def _crossings(times: FloatArray, angle: FloatArray) -> FloatArray:
    """Interpolated times at which the angle passes the middle of its range."""
    away = angle - _middle(angle)
    index = np.flatnonzero(np.signbit(away[:-1]) != np.signbit(away[1:]))
    share = away[index] / (away[index] - away[index + 1])
    moments = times[index] + share * (times[index + 1] - times[index])
    big = 0.15 * np.abs(away).max()
    # A bob at rest trembles about the middle: a crossing counts after a true excursion.
    kept: list[float] = []
    since = 0
    for moment, at in zip(moments, index, strict=True):
        if np.abs(away[since : at + 1]).max() > big:
            kept.append(float(moment))
            since = int(at) + 1
    return np.array(kept)


def _middle(angle: FloatArray) -> float:
    """Angle half way between mean left and right turning points; about 0 if upright."""
    signs = np.sign(np.diff(angle))
    turn = np.flatnonzero(signs[:-1] * signs[1:] < 0) + 1
    extremes = angle[turn]
    left, right = extremes[extremes < 0], extremes[extremes > 0]
    if len(left) and len(right):
        return float((np.median(left) + np.median(right)) / 2)
    return 0.0


def _turning_points(times: FloatArray, angle: FloatArray) -> FloatArray:
    """[R, 2] seconds and angle at which the bob turns, noise-sized turns left out."""
    least = 0.06 * float(np.ptp(angle))
    found: list[tuple[float, float]] = []
    high = low = 0
    rising: bool | None = None
    for index in range(1, len(angle)):
        high = index if angle[index] > angle[high] else high
        low = index if angle[index] < angle[low] else low
        if rising is not False and angle[high] - angle[index] > least:
            if rising is not None:
                found.append(_vertex(times, angle, high))
            rising, low = False, index
        elif rising is not True and angle[index] - angle[low] > least:
            if rising is not None:
                found.append(_vertex(times, angle, low))
            rising, high = True, index
    return np.array(found).reshape(-1, 2)


def _vertex(times: FloatArray, angle: FloatArray, index: int) -> tuple[float, float]:
    """Top of the parabola through a turning point's neighbours."""
    span = slice(max(0, index - 2), index + 3)
    moments = times[span] - times[index]
    if len(moments) < 4:
        return float(times[index]), float(angle[index])
    bend, slope, level = np.polyfit(moments, angle[span], 2)
    shift = float(np.clip(-slope / (2 * bend), moments[0], moments[-1])) if bend else 0.0
    return float(times[index] + shift), float(level + slope * shift + bend * shift**2)
