"""What tokens cost: the user's table first, else a price library if installed, else unknown."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from phyrefine._optional import installed
from phyrefine.errors import InvalidInputError

KINDS = ("input", "output", "thinking", "cached")
# A kind without a price of its own costs what the service bills it as.
BILLED_AS = {"cached": "input", "thinking": "output"}
# gpt-4o-2024-08-06, claude-20250219, gemini-2.0-flash-001, ...-latest: releases of one model.
_RELEASE = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8}|\d{3}|latest)$")


def _as_table(value: Mapping[str, Mapping[str, float]]) -> Mapping[str, Mapping[str, float]]:
    for model, prices in value.items():
        for kind, price in prices.items():
            if kind not in KINDS:
                raise InvalidInputError(
                    f"Prices of {model!r}: {kind!r} is no kind of token; use {', '.join(KINDS)}."
                )
            if not (isinstance(price, int | float) and math.isfinite(price) and price >= 0):
                raise InvalidInputError(
                    f"Prices of {model!r}: {kind} must be US dollars per million tokens, 0 or "
                    f"more, not {price!r}."
                )
    return value


@frozen
class PriceTable:
    """US dollars per million tokens, by model and kind of token.

    Kinds are disjoint: a token is counted under one of ``input``, ``cached`` (input read from the
    service's cache), ``output`` and ``thinking``. Where a model's row has no ``cached`` or
    ``thinking`` price, those tokens cost as much as input or output.

    Attributes:
        models: For example ``{"gemini-2.5-pro": {"input": 1.25, "output": 10.0}}``. A name also
            stands for its dated releases (``gpt-4o`` for ``gpt-4o-2024-08-06``).
        library: Ask the package genai-prices, if it is installed, about models not in the table.
    """

    models: Mapping[str, Mapping[str, float]] = field(factory=dict, converter=_as_table)
    library: bool = True

    def cost(self, models: Sequence[str], tokens: Mapping[str, int]) -> float | None:
        """US dollars of a call, or ``None`` when its price is unknown.

        Args:
            models: Names the model goes by, the most exact first: the one that answered, the one
                asked.
            tokens: Counts by kind.
        """
        for name in _spellings(models):
            if name in self.models:
                return _sum(self.models[name], tokens)
        if self.library and installed("genai_prices"):
            for name in _spellings(models):
                known = _library_cost(name, tokens)
                if known is not None:
                    return known
        return None


def _spellings(models: Sequence[str]) -> list[str]:
    spelled: list[str] = []
    for model in models:
        bare = model.removeprefix("models/")
        spelled += [model, bare, _RELEASE.sub("", bare)]
    return list(dict.fromkeys(spelled))


def _sum(prices: Mapping[str, float], tokens: Mapping[str, int]) -> float | None:
    total = 0.0
    for kind, count in tokens.items():
        price = prices.get(kind, prices.get(BILLED_AS.get(kind, "")))
        if count and price is None:
            return None
        total += count * (price or 0.0) / 1e6
    return total


def _library_cost(model: str, tokens: Mapping[str, int]) -> float | None:
    import genai_prices

    cached, thinking = tokens.get("cached", 0), tokens.get("thinking", 0)
    usage: Any = genai_prices.Usage(
        input_tokens=tokens.get("input", 0) + cached,
        cache_read_tokens=cached,
        output_tokens=tokens.get("output", 0) + thinking,
    )
    try:
        return float(genai_prices.calc_price(usage, model_ref=model).total_price)
    except (LookupError, ValueError):  # a model or a kind of token it does not know
        return None
