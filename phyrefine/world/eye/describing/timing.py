"""When the statements of a story begin and end, from the motion at the seam.

Only what follows from the measured motion by simple mechanics gets a time; the rest gets none.
"""

from __future__ import annotations

import math

import numpy as np

from phyrefine.world.eye.describing.sentences import Cast
from phyrefine.world.eye.measuring.case import Case, Motion
from phyrefine.world.eye.measuring.motion import Stretch
from phyrefine.world.wordings import COLOURS

Span = tuple[float, float | None]

# Speed after a bounce over speed before it, by what the words say of the material.
_BOUNCE = {"lively": 0.8, "middling": 0.57, "soft": 0.0, "": 0.7}
# Kinds that go on in one way from the seam to the end.
_STEADY = frozenset({"swing", "spread", "shadow", "warm", "roll", ""})
# A pixel this near to a color has it, as ``colour_distance`` counts.
_LIKE = 110.0
# What is told of a contact lasts this long around it, in seconds.
_CONTACT = 0.15


def spans(roles: Cast, case: Case | None, seconds: float) -> dict[str, Span]:
    """(start, end) in seconds after the seam, by topic; topics without a known time are absent.

    Args:
        roles: Kind of scene and material.
        case: The prefix, measured to its end.
        seconds: Length of the continuation.
    """
    if roles.kind in _STEADY:
        return dict.fromkeys(
            ("swing", "fastest", "height", "string", "spread", "paler", "lamp", "shadow",
             "equalise", "roll on", "slowing", "go on"), (0.0, seconds),
        )  # fmt: skip
    if case is None or not case.motions:
        return {}
    found = {
        "drop": _bouncing,
        "throw": _bouncing,
        "collide": _colliding,
        "ramp": _on_ramp,
    }.get(roles.kind)
    timed = found(roles, case, seconds) if found is not None else {}
    return {
        topic: (round(min(start, seconds), 2), None if end is None else round(min(end, seconds), 2))
        for topic, (start, end) in timed.items()
        if start < seconds
    }


def _at_seam(motion: Motion) -> Stretch | None:
    return motion.pieces[-1] if motion.pieces else None


def _fall(case: Case, motion: Motion) -> tuple[float, float, float] | None:
    """(seconds until the floor, speed there, acceleration) of a thing in the air or on a ramp."""
    piece = _at_seam(motion)
    if piece is None or case.floor is None:
        return None
    radius = float(np.nanmedian(motion.track.up - motion.track.bottom))
    now = case.times[-1]
    height = float(piece.at(now)[1]) - radius - case.floor
    pull, speed = -float(piece.pull[1]), -float(piece.velocity(now)[1])
    if height <= 0 or pull <= 2.0 * case.unit:
        return None
    arrival = math.sqrt(max(0.0, speed**2 + 2.0 * pull * height))
    return (arrival - speed) / pull, arrival, pull


def _bouncing(roles: Cast, case: Case, seconds: float) -> dict[str, Span]:
    fall = _fall(case, case.motions[0])
    if fall is None:
        return {}
    land, speed, pull = fall
    kept = _BOUNCE[roles.material]
    first = 2.0 * kept * speed / pull
    rest = land + first / (1.0 - kept)
    # Between bounces it rises, falls and lands again: those statements hold until it rests.
    contact = max(0.0, land - _CONTACT)
    return {
        "fall": (0.0, max(rest, land)),
        "arc": (0.0, land),
        "land": (contact, max(rest, land + _CONTACT)),
        "rebound": (land, rest if kept else land + _CONTACT),
        "bounce on": (land, rest if kept else land + _CONTACT),
        "decay": (land, rest),
        "settle": (rest, seconds),
        "forward": (0.0, seconds),
        "onward": (land, seconds),
    }


def _colliding(roles: Cast, case: Case, seconds: float) -> dict[str, Span]:
    striker = next((motion for motion in case.motions if motion.name == roles.a), None)
    piece = None if striker is None else _at_seam(striker)
    edges = _resting(case, roles.b)
    if striker is None or piece is None or edges is None:
        return {}
    now = case.times[-1]
    place, speed = float(piece.at(now)[0]), float(piece.velocity(now)[0])
    radius = float(np.nanmedian(striker.track.up - striker.track.bottom))
    gap = edges[0] - place if speed > 0 else place - edges[1]
    if abs(speed) < 2.0 * case.unit or gap < 0:
        return {}
    return _after_contact(max(0.0, gap - radius) / abs(speed), seconds)


def _resting(case: Case, name: str) -> tuple[float, float] | None:
    """Left and right edge in pixels of a thing that stands still, by the color in its name."""
    color = next((word for word in name.split() if word in COLOURS), None)
    if color is None:
        return None
    image = case.sight.background.image
    light, wanted = image.mean(axis=2, keepdims=True), np.asarray(COLOURS[color])
    chroma = ((image - light - (wanted - wanted.mean())) ** 2).sum(axis=2)
    like = np.sqrt(4.0 * chroma + (light[..., 0] - wanted.mean()) ** 2) < _LIKE
    columns = np.flatnonzero(like.sum(axis=0) >= 2)
    if len(columns) < 3:
        return None
    low, high = np.percentile(columns, [2, 98])
    # What is spread over half of the picture is no thing but its ground.
    return (float(low), float(high)) if high - low < 0.5 * like.shape[1] else None


def _after_contact(hit: float, seconds: float) -> dict[str, Span]:
    return {
        "approach": (0.0, hit),
        "contact": (max(0.0, hit - _CONTACT), hit + _CONTACT),
        "transfer": (hit, hit + 1.0),
        "slowing": (hit, seconds),
    }


def _on_ramp(roles: Cast, case: Case, seconds: float) -> dict[str, Span]:  # noqa: ARG001
    fall = _fall(case, case.motions[0])
    if fall is None:
        return {}
    bottom = fall[0]
    return {
        "down ramp": (0.0, bottom),
        "surface": (0.0, bottom),
        "run out": (bottom, seconds),
        "slowing": (bottom, seconds),
    }
