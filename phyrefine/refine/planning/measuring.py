"""Motion at the seam, measured from the prefix and given to the objects of a plan."""

from __future__ import annotations

from attrs import evolve

from phyrefine.types import Plan, PlanObject
from phyrefine.video.clip import Clip
from phyrefine.video.motion import REST_SPEED, Motion, seam_motion

_ROWS = {"top": 0.0, "upper": 0.0, "high": 0.0, "above": 0.0, "low": 1.0, "lower": 1.0,
         "bottom": 1.0, "below": 1.0}  # fmt: skip
_COLUMNS = {"left": 0.0, "right": 1.0, "middle": 0.5, "center": 0.5}


def with_motion(plan: Plan, prefix: Clip | None) -> Plan:
    """Each moving thing of the prefix given to the object it most likely is.

    Things that no object stands for are left out when objects are named; when none is, each becomes
    an object called by its place.

    Args:
        plan: As the VLM gave it.
        prefix: V0; ``None`` or too few frames measure nothing.
    """
    found = seam_motion(prefix) if prefix is not None else ()
    if not found:
        return plan
    if not plan.objects:
        return evolve(plan, objects=tuple(_unnamed(motion) for motion in found))
    objects = list(plan.objects)
    free = [index for index, thing in enumerate(objects) if not _rests(thing)] or list(
        range(len(objects))
    )
    for motion in found:
        if not free:
            break
        index = min(free, key=lambda i: (_distance(objects[i], motion), i))
        free.remove(index)
        objects[index] = evolve(objects[index], measured=motion)
    return evolve(plan, objects=tuple(objects))


def _unnamed(motion: Motion) -> PlanObject:
    return PlanObject(f"the object {motion.place()}", motion=motion.going(), measured=motion)


def stated(plan: Plan, *, needed: bool) -> Plan:
    """The plan with measured motion in words where the generator needs it, else without.

    Args:
        plan: With measured motion.
        needed: The generator sees too little of the prefix to know how things move.
    """
    objects = []
    for thing in plan.objects:
        if thing.measured is None:
            objects.append(thing)
        elif needed:
            objects.append(evolve(thing, motion=thing.measured.going()))
        elif not _is_unnamed(thing):
            objects.append(thing)
    return evolve(plan, objects=tuple(objects))


def _is_unnamed(thing: PlanObject) -> bool:
    return thing.measured is not None and thing.name == _unnamed(thing.measured).name


def _rests(thing: PlanObject) -> bool:
    words = thing.motion.lower().split()
    return "rest" in words or "still" in words or "motionless" in words


def _distance(thing: PlanObject, motion: Motion) -> float:
    """How far what is said of an object lies from what is measured; 0 fits."""
    place, going = thing.place.lower().split(), thing.motion.lower()
    away = 0.0
    for axis, words in ((motion.y, _ROWS), (motion.x, _COLUMNS)):
        said = [words[word.strip(".,")] for word in place if word.strip(".,") in words]
        away += abs(said[0] - axis) if said else 0.3
    for word, along in (("left", -motion.vx), ("right", motion.vx), ("down", motion.vy),
                        ("up", -motion.vy), ("fall", motion.vy), ("rise", -motion.vy)):  # fmt: skip
        if word in going:
            away += 0.0 if along > REST_SPEED else 0.5
    return away
