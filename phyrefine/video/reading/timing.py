"""From time stamps to one even rate, without losing a frame.

Phones film at varying rates, GIFs show each picture for a time of its own, and some containers give
no times or wrong ones. The rule, in order:

1. No usable times (missing, equal or not increasing): the nominal rate, frame for frame.
2. Nearly even times: one rate, frame for frame.
3. Otherwise the lowest rate up to 240 frames per second on whose grid every frame has a place of
   its own; each is held until the next one starts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

Times = NDArray[np.float64]

# Times that stray further than this from an even grid (in frames) are no even rate.
UNEVEN = 0.3
# First a grid that the times meet closely is looked for, then one that they meet as cameras do.
_TOLERANCES = (0.1, UNEVEN)
MAX_FPS = 240.0
FALLBACK_FPS = 24.0
# Whole multiples of the shortest step that are tried as grids.
_MULTIPLES = range(1, 9)
_USUAL_RATES = (10.0, 12.0, 12.5, 15.0, 24.0, 25.0, 30.0, 50.0, 60.0, 100.0, 120.0)


@frozen
class Rates:
    """What a file says of its rate.

    Attributes:
        nominal: The container's frames per second; 0 when it says nothing.
        coded: The codec's own; 0 when it says nothing.
        tick: Seconds by which its times count; 0 when unknown.
    """

    nominal: float = 0.0
    coded: float = 0.0
    tick: float = 0.0


def even_grid(
    times: Sequence[float], last_seconds: float, rates: Rates
) -> tuple[NDArray[np.intp], float]:
    """Which frame is shown at each tick of an even grid.

    Args:
        times: When each frame starts, in seconds, in the order they are shown; NaN if unknown.
        last_seconds: How long the last frame is shown; 0 if unknown.
        rates: What the file says.

    Returns:
        int [N] indices into ``times``, none left out, and the grid's frames per second.
    """
    count = len(times)
    each = np.arange(count)
    fallback = rates.nominal or rates.coded or FALLBACK_FPS
    at = np.asarray(times, float) - times[0]
    if count == 1 or not np.isfinite(at).all() or np.diff(at).min() <= 0:
        return each, fallback
    mean = (count - 1) / at[-1]
    # The container's own fraction (30000/1001) is more exact than measured times.
    near = [rate for rate in (rates.nominal, rates.coded) if abs(rate - mean) < 0.02 * mean]
    if any(_is_even(at, rate, rates) for rate in (mean, *near)):
        return each, near[0] if near else mean
    rate, places = _grid(at, rates)
    step = float(np.median(np.diff(at)))
    held = max(1, round((last_seconds or step) * rate))
    ticks = np.arange(places[-1] + held)
    return np.searchsorted(places, ticks, side="right") - 1, rate


def _is_even(at: Times, mean: float, rates: Rates) -> bool:
    stray = at * mean - np.arange(len(at))
    if np.abs(stray).max() <= UNEVEN:
        return True
    # Ticks nearly as coarse as the frames (24 fps counted in thirtieths): only if the codec says
    # the same rate, or no finer grid could be used, is it the counting that strays.
    quantized = rates.tick * mean > 0.5 and (stray.max() - stray.min()) / 2 <= 0.55 * (
        rates.tick * mean
    )
    return quantized and (abs(rates.coded - mean) < 0.02 * mean or mean > MAX_FPS / 2)


def _grid(at: Times, rates: Rates) -> tuple[float, NDArray[np.intp]]:
    """The lowest rate whose grid has a place for every frame, and those places."""
    steps = np.diff(at)
    shortest = float(steps.min())
    asked = {rates.nominal, rates.coded, 1 / float(np.median(steps)), *_USUAL_RATES}
    asked |= {multiple / shortest for multiple in _MULTIPLES}
    candidates = sorted(rate for rate in asked if 0 < rate <= MAX_FPS * 1.001)
    for tolerance in _TOLERANCES:
        for rate in candidates:
            fitted = _fit(at, rate, tolerance + 0.5 * rates.tick * rate, rates)
            if fitted is not None:
                return fitted
    rate = min(MAX_FPS, 1 / shortest)
    places = np.maximum(np.ceil(at * rate - 1e-6).astype(np.intp), np.arange(len(at)))
    # Frames closer together than the finest grid move on to the next free place.
    return rate, np.maximum.accumulate(places - np.arange(len(at))) + np.arange(len(at))


def _fit(
    at: Times, rate: float, tolerance: float, rates: Rates
) -> tuple[float, NDArray[np.intp]] | None:
    places = np.rint(at * rate).astype(np.intp)
    if np.diff(places).min() < 1:
        return None
    exact = float(places[-1] / at[-1])
    # A short clip that counts in milliseconds says no more than that of its rate.
    slack = max(1e-4, min(rates.tick / at[-1], 5e-4))
    known = (rates.nominal, rates.coded, *_USUAL_RATES)
    exact = next((one for one in known if abs(one - exact) < slack * one), exact)
    stray = np.abs(at * exact - places).max()
    return (exact, places) if stray <= min(tolerance, 0.45) else None
