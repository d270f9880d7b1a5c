"""Ensembles by name, and handing them the models a run uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from phyrefine.errors import InvalidInputError
from phyrefine.protocols import VLM, Selector
from phyrefine.select.consensus import Consensus
from phyrefine.select.judge import Judge, JudgeEnsemble, Tournament
from phyrefine.select.simple import CriticsPick, Last, RandomPick

NAMES = ("judge", "tournament", "critics_pick", "consensus", "last", "random")


def ensemble(name: str, vlm: VLM) -> Selector:
    """The ensemble of that name, judging with ``vlm`` where it judges.

    Raises:
        InvalidInputError: No such ensemble. The oracle is not among them: it needs a scorer with
            ground truth, which only a caller can hand over.
    """
    makers: dict[str, Callable[[], Selector]] = {
        "judge": lambda: JudgeEnsemble(Judge(vlm)),
        "tournament": lambda: Tournament(vlm),
        "critics_pick": CriticsPick,
        "consensus": Consensus,
        "last": Last,
        "random": RandomPick,
    }
    if name not in makers:
        raise InvalidInputError(f"No ensemble {name!r}: use one of {', '.join(NAMES)}.")
    return makers[name]()


def with_models(value: Any, wrap: Callable[[VLM], VLM]) -> Any:
    """The same ensemble or scorer with every VLM inside it wrapped, so that its calls are kept."""
    if not attrs.has(type(value)):
        return value
    changes: dict[str, Any] = {}
    for attribute in attrs.fields(type(value)):
        inner = getattr(value, attribute.name)
        if attribute.name == "vlm":
            changes["vlm"] = wrap(inner)
        elif isinstance(inner, Judge):
            changes[attribute.name] = with_models(inner, wrap)
    return attrs.evolve(value, **changes) if changes else value
