"""Sampling settings that a user may change, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phyrefine.errors import InvalidInputError
from phyrefine.types import JSON

# Fields of the sampling configuration that one shot may change. The others follow from the shot
# or from the weights.
OPTIONS = (
    "clean_reach",
    "clean_time",
    "guidance_times",
    "history_scales",
    "near_clean_history",
    "near_clean_threshold",
    "noise_reach",
    "shortcut",
    "text_scales",
    "window_size",
)


def sampling_changes(options: Mapping[str, JSON]) -> dict[str, Any]:
    """Fields of the sampling configuration to change.

    Raises:
        InvalidInputError: There is no such option.
    """
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise InvalidInputError(
            f"MAGI-1 takes no option {unknown[0]!r}. It takes: {', '.join(OPTIONS)}."
        )
    return {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
