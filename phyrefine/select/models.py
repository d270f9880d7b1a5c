"""Handing rules and scorers the models a run uses, wrapped so that their calls are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from phyrefine.protocols import VLM


def with_models(value: Any, wrap: Callable[[VLM], VLM]) -> Any:
    """The same rule or scorer with every VLM inside it wrapped, so that its calls are kept."""
    if isinstance(value, tuple):
        return tuple(with_models(item, wrap) for item in value)
    if not attrs.has(type(value)) or not _ours(value):
        return value
    changes: dict[str, Any] = {}
    for attribute in attrs.fields(type(value)):
        if not attribute.init:
            continue
        inner = getattr(value, attribute.name)
        made = wrap(inner) if attribute.name == "vlm" else with_models(inner, wrap)
        if made is not inner and made != inner:
            changes[attribute.name] = made
    return attrs.evolve(value, **changes) if changes else value


def _ours(value: Any) -> bool:
    """Whether it chooses or scores: models that a VLM is made of are not opened."""
    return any(hasattr(value, name) for name in ("choose", "score", "score_pool", "decide"))
