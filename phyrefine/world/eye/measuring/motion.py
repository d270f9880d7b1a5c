"""A track as stretches of constant acceleration, and the contacts between them.

Rest, rolling, free flight and uniform motion are all one stretch each; a bounce is where two
stretches meet with different velocities.
"""

from __future__ import annotations

import itertools

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.world.eye.measuring.tracking import Track

FloatArray = NDArray[np.float64]

# Largest misfit of a stretch in pixels, before the track's own jitter is added.
_TOLERANCE = 0.35
_SHORTEST = 3


@frozen(eq=False)
class Stretch:
    """Motion under constant acceleration: position = p + v·s + a·s²/2, s seconds after ``begin``.

    Attributes:
        first: First frame.
        last: Last frame.
        begin: Seconds.
        end: Seconds.
        position: (x, up) at ``begin``, pixels.
        speed: Velocity (x, up) at ``begin``, pixels per second.
        pull: Acceleration (x, up), pixels per second squared.
        pull_error: Standard error of each component of ``pull``.
        misfit: Root mean square distance from the fit, pixels.
    """

    first: int
    last: int
    begin: float
    end: float
    position: FloatArray
    speed: FloatArray
    pull: FloatArray
    pull_error: float
    misfit: float

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.end - self.begin

    @property
    def frames(self) -> int:
        """Number of frames it was fitted to, gaps included."""
        return self.last - self.first + 1

    def at(self, time: float) -> FloatArray:
        """(x, up) at a time in seconds."""
        passed = time - self.begin
        return np.asarray(self.position + self.speed * passed + self.pull * passed**2 / 2)

    def velocity(self, time: float) -> FloatArray:
        """(x, up) pixels per second at a time in seconds."""
        return np.asarray(self.speed + self.pull * (time - self.begin))

    @property
    def mean_speed(self) -> float:
        """Pixels per second from its first point to its last."""
        way = self.at(self.end) - self.at(self.begin)
        return float(np.hypot(*way)) / max(self.seconds, 1e-6)


def jitter(values: FloatArray) -> float:
    """Standard deviation of white noise on a smooth curve, from its third differences."""
    finite = values[np.isfinite(values)]
    if len(finite) < 5:
        return 0.0
    return float(1.4826 * np.median(np.abs(np.diff(finite, 3))) / np.sqrt(20.0))


def stretches(track: Track, times: FloatArray) -> tuple[Stretch, ...]:
    """Cut a track into stretches of constant acceleration, in order of time.

    Args:
        track: What to cut.
        times: float [T], seconds.
    """
    # At the picture's border, and where it is half hidden, a thing's centre is not its own.
    whole = track.area > 0.6 * float(np.nanmedian(track.area))
    seen = np.flatnonzero(track.seen & ~track.rim & whole)
    points = np.stack([track.x[seen], track.up[seen]], axis=1)
    noise = max(jitter(points[:, 0]), jitter(points[:, 1]))
    tolerance = _TOLERANCE + 3.0 * noise
    cuts = _cut(times[seen], points, tolerance)
    cuts = _settle(times[seen], points, cuts)
    spans = itertools.pairwise(cuts)
    return tuple(_fit(times, seen[a:b], points[a:b]) for a, b in spans if b - a >= _SHORTEST)


def _cut(times: FloatArray, points: FloatArray, tolerance: float) -> list[int]:
    """Greedy: each stretch is as long as its largest misfit stays within the tolerance."""
    cuts = [0]
    start, count = 0, len(times)
    while start < count:
        stop = _furthest(times, points, start, tolerance)
        cuts.append(stop)
        start = stop
    return cuts


def _furthest(times: FloatArray, points: FloatArray, start: int, tolerance: float) -> int:
    """End of the longest stretch from ``start``: doubling its length, then halving the doubt."""
    count = len(times)
    good, step = min(start + _SHORTEST, count), 4
    while good < count:
        probe = min(good + step, count)
        if _worst(times, points, start, probe) > tolerance:
            break
        good, step = probe, 2 * step
    bad = min(good + step, count + 1)
    while bad - good > 1:
        probe = (good + bad) // 2
        if _worst(times, points, start, probe) <= tolerance:
            good = probe
        else:
            bad = probe
    return good


def _polynomial(times: FloatArray, points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Quadratic coefficients [3, 2] about the first time, and residuals [N, 2]."""
    passed = times - times[0]
    basis = np.stack([np.ones_like(passed), passed, passed**2 / 2], axis=1)
    if len(times) < _SHORTEST:
        basis = basis[:, : len(times)]
    solved = np.linalg.lstsq(basis, points, rcond=None)[0]
    residual = points - basis @ solved
    whole = np.zeros((3, 2))
    whole[: len(solved)] = solved
    return whole, residual


def _worst(times: FloatArray, points: FloatArray, start: int, stop: int) -> float:
    _, residual = _polynomial(times[start:stop], points[start:stop])
    return float(np.abs(residual).max())


def _squares(times: FloatArray, points: FloatArray, start: int, stop: int) -> float:
    _, residual = _polynomial(times[start:stop], points[start:stop])
    return float((residual**2).sum())


def _settle(times: FloatArray, points: FloatArray, cuts: list[int]) -> list[int]:
    """Move each cut to where both sides fit best: greedy stretches reach too far."""
    for index in range(1, len(cuts) - 1):
        left, right = cuts[index - 1], cuts[index + 1]
        options = range(max(left + _SHORTEST, cuts[index] - 4), cuts[index] + 1)
        options = range(options.start, min(options.stop, right - _SHORTEST + 1))
        if len(options) > 1:
            cuts[index] = min(
                options,
                key=lambda cut: (
                    _squares(times, points, left, cut) + _squares(times, points, cut, right)
                ),
            )
    return cuts


def _fit(times: FloatArray, frames: NDArray[np.intp], points: FloatArray) -> Stretch:
    moments = times[frames]
    solved, residual = _polynomial(moments, points)
    misfit = float(np.sqrt((residual**2).sum(axis=1).mean()))
    # Standard error of the second derivative of a quadratic fitted to n even samples.
    count, step = len(frames), (moments[-1] - moments[0]) / max(len(frames) - 1, 1)
    noise = max(0.05, misfit * np.sqrt(count / max(count - 3, 1)))
    error = noise * np.sqrt(720.0 / max(count**5 - 5 * count**3 + 4 * count, 1)) / step**2
    return Stretch(
        first=int(frames[0]),
        last=int(frames[-1]),
        begin=float(moments[0]),
        end=float(moments[-1]),
        position=solved[0],
        speed=solved[1],
        pull=solved[2],
        pull_error=float(error),
        misfit=misfit,
    )


@frozen(eq=False)
class Contact:
    """A sudden change of velocity.

    Attributes:
        time: Seconds.
        position: (x, up) pixels.
        before: Velocity (x, up) just before, pixels per second.
        after: And just after.
    """

    time: float
    position: FloatArray
    before: FloatArray
    after: FloatArray


def contacts(pieces: tuple[Stretch, ...], *, least: float) -> tuple[Contact, ...]:
    """Where two neighbouring stretches meet with velocities more than ``least`` apart.

    A stretch of three frames fits anything, so it is passed over.
    """
    found = []
    sure = [piece for piece in pieces if piece.frames > _SHORTEST]
    for early, late in itertools.pairwise(sure):
        time = _meeting(early, late)
        before, after = early.velocity(time), late.velocity(time)
        if float(np.hypot(*(after - before))) > least:
            found.append(Contact(time, (early.at(time) + late.at(time)) / 2, before, after))
    return tuple(found)


def _meeting(early: Stretch, late: Stretch) -> float:
    """When the two curves come closest, between the last frame of one and the next's first."""
    moments = np.linspace(early.end, late.begin, 21)
    apart = [float(np.hypot(*(early.at(m) - late.at(m)))) for m in moments]
    return float(moments[int(np.argmin(apart))])
