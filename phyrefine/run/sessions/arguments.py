"""The arguments of a refiner, checked before anything is made of them."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Mapping, Sequence
from typing import Any

from phyrefine.errors import InvalidInputError
from phyrefine.refine.stages import Method
from phyrefine.run.search.drafting import Draft
from phyrefine.types import Budget, Candidates
from phyrefine.types.checks import is_whole

# An argument that is a value of ours.
_KINDS: Mapping[str, type] = {
    "candidates": Candidates,
    "budget": Budget,
    "method": Method,
    "draft": Draft,
    "prices": Mapping,
}
# An argument that is an object of the user's, and the method that is called.
_METHODS = {"convergence": "decide", "ensemble": "choose", "enough": "decide"}


def check_arguments(**given: Any) -> None:
    """Refuse arguments of a wrong type, by name.

    Raises:
        InvalidInputError: One of them does not fit; the message says what it should be.
    """
    for name, kind in _KINDS.items():
        value = given.get(name)
        if value is not None and not isinstance(value, kind):
            raise _wrong(name, f"a {kind.__name__}", value)
    for name, method in _METHODS.items():
        value = given.get(name)
        if value is not None and not isinstance(value, str) and not _has(value, method):
            raise _wrong(name, f"an object with {method}()", value)
    _check_lists(given)
    if not callable(given["find_cuts"]):
        raise _wrong("find_cuts", "a function of a clip", given["find_cuts"])
    if not isinstance(given["run_dir"], str | os.PathLike | None):
        raise _wrong("run_dir", "the path of a folder", given["run_dir"])
    if not is_whole(given["max_concurrency"]) or given["max_concurrency"] < 1:
        raise _wrong("max_concurrency", "a whole number of 1 or more", given["max_concurrency"])
    for name in ("call_timeout", "clip_timeout"):
        value = given[name]
        if value is not None and not (_is_real(value) and 0 < value < math.inf):
            raise _wrong(name, "a number of seconds above 0, or None", value)


def _check_lists(given: Mapping[str, Any]) -> None:
    for name in ("listeners", "scorers"):
        if isinstance(given[name], str) or not isinstance(given[name], Sequence):
            raise _wrong(name, "a list", given[name])
    for scorer in given["scorers"]:
        if not (_has(scorer, "score") or _has(scorer, "score_pool")):
            raise _wrong("scorers", "a list of objects with score() or score_pool()", scorer)


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _has(value: Any, method: str) -> bool:
    return callable(getattr(value, method, None)) and not isinstance(value, type)


def _wrong(name: str, wanted: str, value: Any) -> InvalidInputError:
    return InvalidInputError(f"{name} is {wanted}, not {type(value).__name__} {value!r:.60}.")
