"""Validators of our values: what does not fit is told as :class:`InvalidInputError`."""

from __future__ import annotations

import math
import numbers
from typing import Any

from phyrefine.errors import InvalidInputError


def is_whole(value: Any) -> bool:
    """Whether it is a whole number; ``True`` and ``False`` are none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def at_least(least: int) -> Any:
    """A validator: a whole number of ``least`` or more."""

    def check(owner: object, attribute: Any, value: object) -> None:
        if not is_whole(value) or value < least:  # type: ignore[operator]
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


def a(*kinds: type) -> Any:
    """A validator: an instance of one of ``kinds``."""
    names = " or ".join(kind.__name__ for kind in kinds)

    def check(owner: object, attribute: Any, value: object) -> None:
        if not isinstance(value, kinds):
            given = f"{type(value).__name__} {value!r:.60}"
            raise InvalidInputError(f"{_where(owner, attribute)} is a {names}, not {given}.")

    return check


def one_of(*names: str) -> Any:
    """A validator: one of these names."""

    def check(owner: object, attribute: Any, value: object) -> None:
        if value not in names:
            known = " or ".join(map(repr, names))
            raise InvalidInputError(f"{_where(owner, attribute)} is {known}, not {value!r}.")

    return check


def whole_numbers(least: int, *, or_none: bool = False) -> Any:
    """A validator: a tuple of whole numbers of ``least`` or more, or of ``None`` if that may be."""

    def check(owner: object, attribute: Any, value: Any) -> None:
        fits = isinstance(value, tuple) and all(
            (one is None and or_none) or (is_whole(one) and one >= least) for one in value
        )
        if not fits:
            raise InvalidInputError(
                f"{_where(owner, attribute)} is a tuple of whole numbers of {least} or more, not "
                f"{value!r}: write (0,) for one."
            )

    return check


def as_tuple(value: Any) -> Any:
    """A converter: lists and ranges become tuples; what is neither is left to the validator."""
    return tuple(value) if isinstance(value, list | range) else value


def _where(owner: object, attribute: Any) -> str:
    return f"{type(owner).__name__}({attribute.name}=...)"
