"""From measurements and words to sentences: predictions, observations, corrected descriptions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.world.eye.checking.flight import is_flight
from phyrefine.world.eye.describing.phrases import (
    FAULTS,
    PLAIN,
    STORIES,
    STRESSED,
    STRESSED_THROW,
    say,
)
from phyrefine.world.eye.measuring.case import Case, Finding, Motion, likely
from phyrefine.world.eye.measuring.motion import Stretch
from phyrefine.world.wordings import Cues

DOMAINS: dict[str, str] = {
    "spread": "fluid dynamics",
    "shadow": "optics",
    "warm": "thermodynamics",
    "attract": "magnetism",
}


@frozen
class Cast:
    """Who plays in a scene.

    Attributes:
        kind: Key of ``STORIES``.
        a: Name of the moving thing.
        b: Name of the other one.
        material: As in ``Cues``.
    """

    kind: str
    a: str
    b: str
    material: str


def cast(cues: Cues, case: Case | None) -> Cast:
    """Name the kind of scene and its players, from words first and motion second."""
    kinds = likely(cues, case.motions if case is not None else ())
    kind = kinds[0] if kinds else (_kind_by_motion(case) if case else "")
    named = [item.name for item in cues.objects]
    if kind == "topple":
        named = [name for name in named if "block" not in name and "stack" not in name]
        return Cast(kind, named[0] if named else "the ball", "the stack", "")
    if kind in ("shadow", "warm"):
        return Cast(kind, named[0] if named else "the object", "", "")
    seen = [motion.name for motion in case.motions] if case else []
    order = [*named, *(name for name in seen if name not in named)]
    first = order[0] if order else "the object"
    others = [name for name in order if name != first]
    return Cast(kind, first, others[0] if others else "the other object", cues.material)


def _kind_by_motion(case: Case) -> str:
    if not case.motions:
        return ""
    main = case.motions[0]
    if main.swing is not None:
        return "swing"
    flights = [piece for piece in main.pieces if is_flight(case, main, piece)]
    if flights:
        aside = max(abs(float(piece.speed[0])) for piece in flights)
        return "throw" if aside > 6.0 * case.unit else "drop"
    if case.floor is not None and float(np.nanmedian(main.track.bottom)) < case.floor + 2.5:
        return "roll"
    return ""


def _plain(topic: str, roles: Cast) -> str:
    key = f"{topic} {roles.material}" if f"{topic} {roles.material}" in PLAIN else topic
    return say(PLAIN[key], roles.a, roles.b)


def _topics(roles: Cast) -> list[str]:
    topics = list(STORIES[roles.kind])
    if roles.material == "soft":
        topics = [topic for topic in topics if topic not in ("decay", "forward", "onward")]
    if roles.material == "lively" and "settle" in topics:
        topics.remove("settle")
    return topics


def story(roles: Cast) -> list[tuple[str, str]]:
    """(topic, sentence) of what physics will do, in order of time."""
    return [(topic, _plain(topic, roles)) for topic in _topics(roles)]


def corrected(roles: Cast, found: Sequence[Finding], persisting: frozenset[str]) -> str:
    """The whole continuation as it should be, broken statements stressed in their place.

    Args:
        roles: Who plays.
        found: What is wrong.
        persisting: Topics of faults that an earlier version had too; they get other words.
    """
    stress: dict[str, list[str]] = {}
    for finding in found:
        topic = FAULTS[finding.topic][2]
        stress.setdefault(topic, []).append(
            _stress(finding, roles.kind, finding.topic in persisting)
        )
    sentences = list(stress.get("", []))
    told = _topics(roles)
    for topic in told:
        # A stressed statement leads, and the plain one still says the rest.
        sentences += [*stress.get(topic, []), _plain(topic, roles)]
    for topic, extra in stress.items():
        if topic and topic not in told:
            sentences += extra
    return " ".join(dict.fromkeys(sentences))


def _stress(finding: Finding, kind: str, again: bool) -> str:
    said = STRESSED[finding.topic]
    if kind == "throw":
        said = STRESSED_THROW.get(finding.topic, said)
    return say(said[again], finding.thing, finding.other)


def fault(finding: Finding) -> tuple[str, str]:
    """(law, what one sees) of a finding."""
    law, what, _ = FAULTS[finding.topic]
    return law, say(what, finding.thing, finding.other)


def persisting(found: Sequence[Finding], earlier: str) -> frozenset[str]:
    """Topics of findings whose account stands among earlier violations, one per line."""
    said = earlier.lower()
    return frozenset(item.topic for item in found if fault(item)[1].lower().rstrip(".") in said)


# -- what is seen ------------------------------------------------------------------------------


def scene(case: Case | None) -> str:
    """The things in the filmed part and how each moves at its end."""
    if case is None:
        return ""
    return " ".join(_at_seam(case, motion) for motion in case.motions[:3])


def _at_seam(case: Case, motion: Motion) -> str:
    last = min(case.seam or len(case.times), len(case.times)) - 1
    moment = float(case.times[last])
    piece = next((p for p in reversed(motion.pieces) if p.first <= last), None)
    place = _place(case, motion, last)
    if piece is None:
        return say("{a} is " + place + ".", motion.name)
    velocity = piece.velocity(min(moment, piece.end))
    if float(np.hypot(*velocity)) < 2.0 * case.unit:
        return say("{a} is at rest " + place + ".", motion.name)
    return say("{a} is " + place + " and moves " + _direction(velocity) + ".", motion.name)


def things(case: Case | None) -> list[tuple[str, str, str]]:
    """(name, place, motion) of the things in the filmed part, at its end."""
    if case is None:
        return []
    last = min(case.seam or len(case.times), len(case.times)) - 1
    moment = float(case.times[last])
    found = []
    for motion in case.motions[:3]:
        piece = next((p for p in reversed(motion.pieces) if p.first <= last), None)
        going = ""
        if piece is not None:
            velocity = piece.velocity(min(moment, piece.end))
            rests = float(np.hypot(*velocity)) < 2.0 * case.unit
            going = "at rest" if rests else f"moving {_direction(velocity)}"
        found.append((motion.name, _place(case, motion, last), going))
    return found


def _place(case: Case, motion: Motion, frame: int) -> str:
    seen = np.flatnonzero(motion.track.seen[: frame + 1])
    if not len(seen):
        return "out of view"
    height, width = case.sight.size
    x, up = motion.track.x[seen[-1]] / width, motion.track.up[seen[-1]] / height
    level = "high" if up > 0.62 else "low" if up < 0.38 else "half way up"
    side = "on the left" if x < 0.38 else "on the right" if x > 0.62 else "in the middle"
    return f"{level} {side}"


def _direction(velocity: NDArray[np.float64]) -> str:
    x, up = float(velocity[0]), float(velocity[1])
    along = "to the right" if x > 0 else "to the left"
    upward = "up" if up > 0 else "down"
    if abs(x) < 0.35 * abs(up):
        return upward
    return along if abs(up) < 0.35 * abs(x) else f"{upward} and {along}"


def observed(case: Case) -> str:
    """What the made part shows, without judgement."""
    if not case.motions:
        return "No moving object can be made out."
    sentences = []
    for motion in case.motions[:3]:
        steps = [
            f"from {max(piece.begin, case.seam_time):.1f} to {piece.end:.1f} s it "
            f"{_doing(case, piece)}"
            for piece in motion.pieces
            if piece.end > case.seam_time + case.step and piece.frames > 3
        ]
        if motion.swing is not None:
            steps = [f"it swings, turning {len(motion.swing.turns)} times"]
        text = "; ".join(steps[:6]) or "it is hardly seen"
        sentences.append(say("{a}: " + text + ".", motion.name))
    return " ".join(sentences)


def _doing(case: Case, piece: Stretch) -> str:
    if piece.mean_speed < 2.0 * case.unit:
        return "is at rest"
    middle = piece.velocity((piece.begin + piece.end) / 2)
    if float(piece.pull[1]) < -15.0 * case.unit:
        return "is in flight"
    return f"moves {_direction(middle)}"
