"""Arguments that must be numbers or arrays: what else is passed is told in our words."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phyrefine.errors import VideoError


def number(
    value: Any,
    what: str,
    *,
    above: float = -math.inf,
    below: float = math.inf,
    unit: str = "",
) -> float:
    """``value`` as a float.

    Args:
        value: What was passed.
        what: Start of the message, such as ``"A frame rate"``.
        above: Greater than this.
        below: Less than this.
        unit: For the message.

    Raises:
        VideoError: No number, not finite, or out of range.
    """
    real = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    given = float(value) if real else math.nan
    if math.isfinite(given) and above < given < below:
        return given
    bounds = [f"above {above:g}"] * (above > -math.inf) + [f"below {below:g}"] * (below < math.inf)
    wanted = " and ".join(bounds) or "a finite number of"
    raise VideoError(f"{what} must be {wanted} {unit}".rstrip() + f", not {value!r}.")


def whole(value: Any, what: str, *, at_least: int) -> int:
    """``value`` as an int.

    Raises:
        VideoError: No whole number, or less than ``at_least``.
    """
    exact = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    if exact and math.isfinite(value) and int(value) == value and value >= at_least:
        return int(value)
    limit = f" of at least {at_least}" if at_least >= 0 else ""
    raise VideoError(f"{what} must be whole numbers{limit}, not {value!r}.")


def as_array(value: Any) -> NDArray[Any]:
    """``value`` as an array; tensors are copied to the CPU.

    Raises:
        VideoError: No array can be made of it; the message says what to pass instead.
    """
    if isinstance(value, str | bytes) or hasattr(value, "__fspath__"):
        raise VideoError(f"Frames are an array, not {value!r:.80}: read a file with Clip.read.")
    try:
        if hasattr(value, "detach"):  # a torch tensor, without importing torch
            value = value.detach()
            value = value.float() if value.dtype.is_floating_point else value
            value = value.cpu().numpy()
        array = np.asarray(value)
    except Exception as error:
        raise VideoError(
            f"No frames can be read from this {type(value).__name__}: {error}. Pass a dense array "
            "or tensor [T, H, W, C] with values in memory, all frames of one size."
        ) from error
    if array.dtype.hasobject:
        raise VideoError(
            f"Frames must be numbers, not {type(value).__name__} of objects. Convert them to one "
            "array [T, H, W, C]; PIL images go through Clip.from_images."
        )
    return array
