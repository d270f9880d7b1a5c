"""What feedback is for: a fault that most noise shows is the prompt's, one that few show is not.

Several clips of one prompt are criticized. Violations are matched across them by law, object and
time. One that more than half of the clips show is *systematic* and goes to the rewriter; the others
are *accidental* and left to the choice among clips.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import define, evolve, field

from phyrefine.protocols import VLM
from phyrefine.refine import stages
from phyrefine.refine.planning.editing import stressed
from phyrefine.refine.stages import Method
from phyrefine.refine.violations import SAME_FAULT, likeness, track
from phyrefine.types import Critique, Origin, Plan, Scenario, Violation
from phyrefine.video.clip import Clip

# Under other noise the same contact comes earlier or later; seconds.
SAME_TIME = 1.0
# Shared words of the shorter name from which two laws or objects are one: "red ball" is "ball",
# but no "blue ball".
_SAME_NAME = 0.5
_LITTLE = frozenset("a an the of in on at to and or is its by with".split())


def same_fault(one: Violation, two: Violation) -> bool:
    """Whether two clips show one fault: the same law, object and time.

    What is not stated matches anything; where an object is not stated, what is seen must be alike.
    """
    if one.law and two.law and not _same_name(one.law, two.law):
        return False
    if one.start is not None and two.start is not None and abs(one.start - two.start) > SAME_TIME:
        return False
    if one.where and two.where:
        return _same_name(one.where, two.where)
    return likeness(evolve(one, law=""), evolve(two, law="")) >= SAME_FAULT


def _same_name(one: str, two: str) -> bool:
    first, second = _names(one), _names(two)
    return len(first & second) > _SAME_NAME * max(1, min(len(first), len(second)))


def _names(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower())) - _LITTLE


@define
class _Fault:
    """One fault, and the clips that show it."""

    shown: dict[int, Violation] = field(factory=dict)

    def takes(self, clip: int, violation: Violation) -> bool:
        return clip not in self.shown and any(
            same_fault(violation, other) for other in self.shown.values()
        )


def sort_out(
    found: Sequence[Sequence[Violation]],
) -> tuple[tuple[tuple[Violation, ...], ...], tuple[Violation, ...], tuple[Violation, ...]]:
    """Tell systematic violations from accidental ones.

    Args:
        found: Violations of each clip of one prompt.

    Returns:
        (each clip's violations with their origin, the systematic faults, the accidental ones);
        of a fault that several clips show, the most severe account stands for it.
    """
    faults: list[_Fault] = []
    for clip, violations in enumerate(found):
        for violation in violations:
            fault = next((one for one in faults if one.takes(clip, violation)), None)
            if fault is None:
                fault = _Fault()
                faults.append(fault)
            fault.shown[clip] = violation
    each: list[list[Violation]] = [[] for _ in found]
    systematic: list[Violation] = []
    accidental: list[Violation] = []
    for fault in faults:
        most = 2 * len(fault.shown) > len(found)
        origin = Origin.SYSTEMATIC if most else Origin.ACCIDENTAL
        told = {
            clip: evolve(one, origin=origin, shown=len(fault.shown))
            for clip, one in fault.shown.items()
        }
        for clip, violation in told.items():
            each[clip].append(violation)
        worst = max(told.values(), key=lambda one: one.severity * one.confidence)
        (systematic if most else accidental).append(worst)
    return tuple(tuple(one) for one in each), tuple(systematic), tuple(accidental)


def watch(
    vlm: VLM,
    clips: Sequence[Clip],
    scenario: Scenario,
    method: Method,
    *,
    earlier: Sequence[Violation] = (),
    plan: Plan | None = None,
) -> tuple[Critique | None, tuple[Critique | None, ...]]:
    """One critique of a prompt from several of its clips, and what was said of each.

    Each clip gets one look: the other clips are the independent ones. The text and the edits are
    those of the clip that shows most of what is systematic; where it shows accidental faults too,
    the plan keeps its statements and those nearest to a systematic fault are stressed.

    Args:
        vlm: Watches.
        clips: Of one prompt under different noise, at least two.
        scenario: What was asked.
        method: Switches of the method.
        earlier: Systematic violations of the loop before.
        plan: The prompt's.

    Returns:
        (the critique, each clip's own); ``None`` where the VLM said nothing usable.
    """
    single = evolve(method, second_look=False, tell_history=False)
    said = [stages.critique(vlm, clip, scenario, single, plan=plan) for clip in clips]
    heard = [one for one in said if one is not None]
    if not heard:
        return None, tuple(said)
    each, systematic, accidental = sort_out([one.violations for one in heard])
    told = [evolve(one, violations=mine) for one, mine in zip(heard, each, strict=True)]
    base = max(told, key=_speaks_for)
    now, fixed = track(systematic, earlier) if method.tell_history else (systematic, ())
    critique = evolve(
        base,
        violations=now,
        fixed=fixed,
        accidental=accidental,
        looks=len(heard),
        still=all(one.still for one in heard),
        notes=_notes(base, len(said) - len(heard), method),
    )
    if plan is not None and method.plan and _accidents(base):
        critique = evolve(critique, plan=stressed(plan, systematic), changes=())
    remaining = iter(told)
    return critique, tuple(None if one is None else next(remaining) for one in said)


def _accidents(critique: Critique) -> int:
    return sum(one.origin is Origin.ACCIDENTAL for one in critique.violations)


def _speaks_for(critique: Critique) -> tuple[int, int]:
    """Most systematic violations, then fewest accidental ones."""
    accidents = _accidents(critique)
    return len(critique.violations) - accidents, -accidents


def _notes(base: Critique, silent: int, method: Method) -> tuple[str, ...]:
    notes = list(base.notes)
    if silent:
        notes.append(f"the critic gave no usable answer about {silent} of the watched clips")
    if not method.plan and _accidents(base):
        notes.append("the corrected description may touch on accidental faults of one clip")
    return tuple(notes)
