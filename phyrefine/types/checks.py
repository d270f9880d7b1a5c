"""Validators of our values: what does not fit is told as :class:`InvalidInputError`."""

from __future__ import annotations

import math
import numbers
from typing import Any

from phyrefine.errors import InvalidInputError


def at_least(least: int) -> Any:
    """A validator: a whole number of ``least`` or more."""

    def check(owner: object, attribute: Any, value: object) -> None:
        whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        if not whole or value < least:  # type: ignore[operator]
            raise InvalidInputError(
                f"{_where(owner, attribute)} is a whole number of {least} or more, not {value!r}."
            )

    return check


def within(low: float, high: float = math.inf) -> Any:
    """A validator: a number from ``low`` to ``high``."""

    def check(owner: object, attribute: Any, value: object) -> None:
        real = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not real or not low <= value <= high:  # type: ignore[operator]
            limit = f"{low:g} or more" if math.isinf(high) else f"from {low:g} to {high:g}"
            raise InvalidInputError(
                f"{_where(owner, attribute)} is a number, {limit}, not {value!r}."
            )

    return check


def above(limit: float) -> Any:
    """A validator: a finite number greater than ``limit``."""

    def check(owner: object, attribute: Any, value: object) -> None:
        real = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not real or not limit < value < math.inf:  # type: ignore[operator]
            raise InvalidInputError(
                f"{_where(owner, attribute)} must be above {limit:g}, not {value!r}."
            )

    return check


def some(owner: object, attribute: Any, value: object) -> None:
    """A validator: a sequence that is not empty."""
    if not isinstance(value, tuple | list) or not value:
        raise InvalidInputError(
            f"{_where(owner, attribute)} is a tuple with at least one entry, not {value!r}."
        )


def _where(owner: object, attribute: Any) -> str:
    return f"{type(owner).__name__}({attribute.name}=...)"
