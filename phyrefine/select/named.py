"""Rules by name: ``"consensus"``, ``"consensus+judge"``, ``"consensus*2+judge"``.

``+`` sums ranks, ``*`` gives a weight, and ``>`` halves the pool from one scorer to the next. A
number after ``@`` at the end sets the share of the motion guard: ``"consensus+judge@1"``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping

from phyrefine.errors import InvalidInputError
from phyrefine.protocols import VLM, PoolScorer, Selector
from phyrefine.select.combining.combined import Combined
from phyrefine.select.combining.guard import MotionGuard
from phyrefine.select.combining.halving import Halving
from phyrefine.select.simple import Last, RandomPick
from phyrefine.select.table import SCORERS, NamedScorer

DEFAULT_ENSEMBLE = "consensus"
# Rules that score nothing and so cannot be combined.
RULES: Mapping[str, Callable[[], Selector]] = {"last": Last, "random": RandomPick}
NAMES = (*SCORERS, *RULES)
_GUARDED = re.compile(r"(.+)@([0-9]*\.?[0-9]+)")
_WEIGHTED = re.compile(r"(.+?)\*([0-9]*\.?[0-9]+)")


def ensemble(
    spec: str,
    vlm: VLM,
    *,
    guard: MotionGuard | None = None,
    more: Mapping[str, NamedScorer] | None = None,
) -> Selector:
    """The rule that a text stands for.

    Args:
        spec: A name; several joined by ``+`` (ranks are summed; ``*2`` gives a weight); or
            several joined by ``>`` (successive halving, cheap to dear).
        vlm: Judges where the rule judges.
        guard: Which clips compete; half of the median motion by default.
        more: Further scorers by name, such as those with weights; a row with the name of one
            here takes over where a model is named.

    Raises:
        InvalidInputError: No such name. The oracle is not among them: it needs a scorer with
            ground truth, which only a caller can hand over.
    """
    bare, asked = _guard(spec.strip())
    guard = guard or asked
    if bare in RULES:
        return RULES[bare]()
    if bare in SCORERS:
        alone = SCORERS[bare].alone
        if alone is not None and guard is None:
            return alone(vlm)
    within = guard or MotionGuard()
    make = functools.partial(scorer, vlm=vlm, more=more)
    if ">" in bare:
        return Halving(tuple(make(part) for part in _split(bare, ">")), within)
    weighted = [_weight(part) for part in _split(bare, "+")]
    return Combined(
        tuple(make(name) for name, _ in weighted), tuple(weight for _, weight in weighted), within
    )


def scorer(spec: str, vlm: VLM, more: Mapping[str, NamedScorer] | None = None) -> PoolScorer:
    """The scorer called ``name`` or ``name:model``.

    Raises:
        InvalidInputError: No such scorer, or it takes no model.
    """
    row, model = find(spec, more)
    return row.make(vlm, model)


def find(
    spec: str, more: Mapping[str, NamedScorer] | None = None
) -> tuple[NamedScorer, str | None]:
    """The row of a name, and the model it names.

    Raises:
        InvalidInputError: No such scorer, or it takes no model.
    """
    name, _, model = spec.strip().partition(":")
    rows = {**SCORERS, **(more or {})} if model else {**(more or {}), **SCORERS}
    if name not in rows:
        rule = f" {name!r} scores nothing, so it cannot be combined." if name in RULES else ""
        raise InvalidInputError(
            f"No ensemble {spec!r}.{rule} Use {', '.join(dict.fromkeys((*rows, *RULES)))}, or "
            'several scorers joined by "+" (ranks are summed) or ">" (each halves the pool).'
        )
    if model and not rows[name].takes_model:
        raise InvalidInputError(f"The scorer {name!r} takes no model, so {spec!r} means nothing.")
    return rows[name], model or None


def expected_questions(spec: str, clips: int, more: Mapping[str, NamedScorer] | None = None) -> int:
    """VLM questions that a rule asks about a pool of ``clips``, at the most."""
    total, left = 0, clips
    spec = _guard(spec)[0]
    parts = _split(spec, ">") if ">" in spec else [spec]
    for part in parts:
        for one in _split(part, "+"):
            name = _weight(one)[0]
            total += find(name, more)[0].questions(left) if name not in RULES else 0
        left = -(-left // 2)
    return total


def _guard(spec: str) -> tuple[str, MotionGuard | None]:
    """The rule, and the guard it asks for after ``@``."""
    found = _GUARDED.fullmatch(spec)
    return (found.group(1).strip(), MotionGuard(float(found.group(2)))) if found else (spec, None)


def _split(spec: str, mark: str) -> list[str]:
    parts = [part.strip() for part in spec.split(mark)]
    if not all(parts):
        raise InvalidInputError(f"The ensemble {spec!r} has an empty name beside a {mark!r}.")
    return parts


def _weight(part: str) -> tuple[str, float]:
    found = _WEIGHTED.fullmatch(part)
    return (found.group(1), float(found.group(2))) if found else (part, 1.0)
