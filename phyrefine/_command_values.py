"""Kinds of values on the command line, checked before any model is loaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter, Token

# A day of video, a million frames a second: beyond these a number is a slip of the finger.
_LONGEST_SECONDS = 86_400.0
_MOST_LOOPS = 1000
_LARGEST_SIDE = 16_384


def _int(word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise ValueError(f"{word!r} is no whole number.") from None


def _one_int(_: Any, tokens: Sequence[Token]) -> int:
    return _int(tokens[0].value)


def _ints(_: Any, tokens: Sequence[Token]) -> tuple[int, ...]:
    """``0,1``, ``0 1`` and a repeated option mean the same."""
    words = [word for token in tokens for word in token.value.split(",") if word.strip()]
    if not words:
        raise ValueError("give at least one whole number.")
    return tuple(_int(word.strip()) for word in words)


def _with_commas(values: tuple[int, ...] | None) -> str:
    return "none" if values is None else ",".join(map(str, values))


def _at_least(least: int, most: int | None = None) -> Any:
    def check(_: Any, value: int | tuple[int, ...] | None) -> None:
        for one in value if isinstance(value, tuple) else () if value is None else (value,):
            if one < least or (most is not None and one > most):
                limit = f"{least} or more" if most is None else f"from {least} to {most}"
                raise ValueError(f"must be {limit}, not {one}.")

    return check


def _positive(most: float | None = None) -> Any:
    def check(_: Any, value: float | None) -> None:
        if value is None or (math.isfinite(value) and 0 < value <= (most or math.inf)):
            return
        limit = "" if most is None else f" and at most {most:g}"
        raise ValueError(f"must be a number above 0{limit}, not {value}.")

    return check


def _text(_: Any, value: str | None) -> None:
    if value is not None and not value.strip():
        raise ValueError("must not be empty.")


Count = Annotated[int, Parameter(converter=_one_int, validator=_at_least(1, _MOST_LOOPS))]
Whole = Annotated[int, Parameter(converter=_one_int, validator=_at_least(0, 2**63 - 1))]
Many = Annotated[int, Parameter(converter=_one_int, validator=_at_least(1))]
Positive = Annotated[float, Parameter(validator=_positive())]
Seconds = Annotated[float, Parameter(validator=_positive(_LONGEST_SECONDS))]
Rate = Annotated[float, Parameter(validator=_positive(1000.0))]
Text = Annotated[str, Parameter(validator=_text)]
Seeds = Annotated[
    tuple[int, ...],
    Parameter(
        converter=_ints,
        validator=_at_least(0, 2**63 - 1),
        consume_multiple=True,
        negative_iterable=(),
        n_tokens=1,
        show_default=_with_commas,
    ),
]
Steps = Annotated[
    tuple[int, ...],
    Parameter(
        converter=_ints,
        validator=_at_least(1, 100_000),
        consume_multiple=True,
        negative_iterable=(),
        n_tokens=1,
        show_default=_with_commas,
    ),
]
# For benchmarks, where 0 stands for the generator's own number.
StepsOrDefault = Annotated[
    tuple[int, ...],
    Parameter(
        converter=_ints,
        validator=_at_least(0, 100_000),
        consume_multiple=True,
        negative_iterable=(),
        n_tokens=1,
        show_default=_with_commas,
    ),
]
Size = Annotated[
    tuple[int, int],
    Parameter(validator=_at_least(1, _LARGEST_SIDE), negative_iterable=()),
]
