"""Marks on the axes of the report's charts."""

from __future__ import annotations

import math

from attrs import frozen


@frozen
class Tick:
    """A mark on an axis: where, in view-box units, and what it says."""

    at: float
    label: str


def nice_step(span: float, most: int) -> float:
    """The smallest of 1, 2, 5 times a power of ten that cuts ``span`` into at most ``most``."""
    power = 10.0 ** math.floor(math.log10(span / most))
    return next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= most)


def marks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from ``low`` to ``high``, about ``most`` of them."""
    step = nice_step(high - low, most)
    return [
        n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]
