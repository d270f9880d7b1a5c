"""Free flight and bounces, checked against the clip's own gravity."""

from __future__ import annotations

import itertools

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.world.eye.measuring.case import Case, Finding, Motion
from phyrefine.world.eye.measuring.motion import Contact, Stretch

FloatArray = NDArray[np.float64]

# Kinds of scene in which things need not fall.
CARRIED = frozenset({"swing", "spread", "shadow", "warm", "topple"})
# Flights whose gravity differs by more than this share are not in one world.
_GRAVITY_SHARE = 0.3
_HOVER_SECONDS = 0.45
# Small distances by which a fall must part from the expected one to be another fall.
_PARTED = 0.35
# Ratio of speeds across a bounce above which energy has come from nowhere.
_GAIN = 1.10
_STICK = 0.12


@frozen(eq=False)
class Gravity:
    """Downward acceleration measured in a clip.

    Attributes:
        value: Pixels per second squared, positive.
        error: Standard error.
    """

    value: float
    error: float


def is_flight(case: Case, motion: Motion, piece: Stretch, least: int = 4) -> bool:
    """Whether a stretch is motion through the air under a steady downward pull."""
    down = -float(piece.pull[1])
    if piece.frames < least or down < 4 * piece.pull_error or down < 4.0 * case.unit:
        return False
    if abs(float(piece.pull[0])) > 0.35 * down + 3 * piece.pull_error:
        return False
    return not _rides(case, motion, piece)


def _rides(case: Case, motion: Motion, piece: Stretch) -> bool:
    """Whether something is under the thing all along a stretch."""
    inside = np.linspace(piece.first, piece.last, min(6, piece.frames)).astype(int)[1:-1]
    held = [case.around.supported(motion.track, f) for f in inside if motion.track.seen[f]]
    return bool(held) and float(np.mean(held)) > 0.7


def own_gravity(case: Case, motion: Motion) -> Gravity | None:
    """Gravity as the filmed part shows it, else as most flights of this clip have it."""
    flights = [piece for piece in motion.pieces if is_flight(case, motion, piece)]
    sure = [f for f in flights if f.pull_error < 0.2 * -f.pull[1]]
    filmed = [f for f in sure if f.last < case.seam]
    chosen = filmed or [f for f in sure if f.frames >= 6]
    if not chosen:
        return None
    weights = np.array([1.0 / f.pull_error**2 for f in chosen])
    pulls = np.array([-float(f.pull[1]) for f in chosen])
    value = float(np.median(pulls)) if len(pulls) > 2 else float(weights @ pulls / weights.sum())
    return Gravity(value, float(1.0 / np.sqrt(weights.sum())))


def falls(case: Case, motion: Motion) -> bool:
    """Whether this thing is free to fall: it was seen in flight, or words say so."""
    if CARRIED & set(case.cues.kinds) or motion.swing is not None:
        return False
    if any(is_flight(case, motion, piece) for piece in motion.pieces):
        return True
    return bool({"drop", "throw"} & set(case.cues.kinds)) and case.cues.kind in ("drop", "throw")


def check_flight(case: Case, motion: Motion) -> list[Finding]:
    """Hanging in the air, another gravity than before, a push from the side."""
    if not falls(case, motion):
        return []
    found: list[Finding] = []
    gravity = own_gravity(case, motion)
    for piece in _made(case, motion):
        if _hovers(case, motion, piece, gravity):
            found.append(Finding("hover", motion.name, piece.begin, piece.end, 0.9, 0.9))
        elif gravity is not None and _in_air(case, motion, piece):
            found += _compare(case, motion, piece, gravity)
    return found


def _in_air(case: Case, motion: Motion, piece: Stretch) -> bool:
    """Whether gravity should show in a stretch: a flight, or rising and sinking on nothing."""
    if piece.frames < 5:
        return False
    if is_flight(case, motion, piece):
        return True
    upright = max(abs(float(piece.velocity(time)[1])) for time in (piece.begin, piece.end))
    return upright > 8.0 * case.unit and not _touches_down(case, motion, piece)


def _made(case: Case, motion: Motion) -> list[Stretch]:
    """Stretches with at least three frames in the made part."""
    return [piece for piece in motion.pieces if piece.last >= case.seam + 2]


def _hovers(case: Case, motion: Motion, piece: Stretch, gravity: Gravity | None) -> bool:
    begin = max(piece.begin, case.seam_time)
    if piece.end - begin < _HOVER_SECONDS:
        return False
    drift = float(np.hypot(*piece.velocity((begin + piece.end) / 2)))
    down = -float(piece.pull[1])
    floats = gravity is not None and down < 0.35 * gravity.value and drift < 12 * case.unit
    still = drift < 3.0 * case.unit and abs(down) < 6.0 * case.unit
    return (floats or still) and not _touches_down(case, motion, piece)


def _touches_down(case: Case, motion: Motion, piece: Stretch) -> bool:
    """Whether something is right below a thing for a good part of a stretch."""
    seen = np.flatnonzero(motion.track.seen)
    seen = seen[(seen >= max(piece.first, case.seam)) & (seen <= piece.last)]
    held = [case.around.supported(motion.track, int(frame)) for frame in seen]
    return not held or float(np.mean(held)) > 0.3


def _seen_near(motion: Motion, frame: int) -> int | None:
    seen = np.flatnonzero(motion.track.seen)
    return int(seen[np.abs(seen - frame).argmin()]) if len(seen) else None


def _compare(case: Case, motion: Motion, piece: Stretch, gravity: Gravity) -> list[Finding]:
    down, sideways = -float(piece.pull[1]), abs(float(piece.pull[0]))
    doubt = 4.0 * float(np.hypot(piece.pull_error, gravity.error))
    # The two curves, laid over each other at both ends, must part by what an eye can see.
    visible = 8.0 * _PARTED * case.unit / piece.seconds**2
    least = max(_GRAVITY_SHARE * gravity.value, doubt, visible)
    found = []
    if abs(down - gravity.value) > least:
        topic = "slow fall" if down < gravity.value else "fast fall"
        found.append(Finding(topic, motion.name, piece.begin, piece.end, 0.5, 0.7))
    if sideways > least:
        found.append(Finding("sideways", motion.name, piece.begin, piece.end, 0.4, 0.6))
    return found


# -- bounces -----------------------------------------------------------------------------------


def impacts(case: Case, motion: Motion) -> list[Contact]:
    """Contacts at which a fall ends on something below, in order of time."""
    found = []
    for contact in motion.contacts:
        falling = contact.before[1] < -8.0 * case.unit
        turned = contact.after[1] - contact.before[1] > 0.5 * abs(contact.before[1])
        if falling and turned and contact.time >= case.seam_time - 1.5 * case.step:
            frame = _seen_near(motion, round(contact.time / case.step))
            if frame is not None and _lands(case, motion, frame):
                found.append(contact)
    return found


def _lands(case: Case, motion: Motion, frame: int) -> bool:
    near = range(max(0, frame - 1), min(len(case.times), frame + 3))
    return any(motion.track.seen[f] and case.around.supported(motion.track, f) for f in near)


def check_bounces(case: Case, motion: Motion) -> list[Finding]:
    """No rebound, a rebound out of proportion, and energy out of nowhere."""
    if not falls(case, motion):
        return []
    landed = impacts(case, motion)
    found = _gains(case, motion, landed)
    if landed:
        found += _first_rebound(case, motion, landed[0])
    return found


def _gains(case: Case, motion: Motion, landed: list[Contact]) -> list[Finding]:
    found = []
    for contact in landed:
        into, out = abs(float(contact.before[1])), float(contact.after[1])
        if out > _GAIN * into + 4.0 * case.unit:
            end = contact.time + 2 * case.step
            found.append(Finding("gain", motion.name, contact.time, end, 0.8, 0.85))
    return found or _rising_tops(case, motion)


def _rising_tops(case: Case, motion: Motion) -> list[Finding]:
    """Bounces that climb higher than the one before."""
    tops: list[tuple[float, float]] = []
    for piece in motion.pieces:
        if is_flight(case, motion, piece):
            peak = piece.begin - float(piece.speed[1] / piece.pull[1])
            if piece.begin < peak < piece.end:
                tops.append((peak, float(piece.at(peak)[1])))
    ground = float(np.nanmin(motion.track.up))
    for (_, low), (time, high) in itertools.pairwise(tops):
        grown = high - ground > 1.1 * (low - ground) + 1.5 * case.unit
        if time > case.seam_time and grown:
            return [Finding("gain", motion.name, time, None, 0.8, 0.85)]
    return []


def _first_rebound(case: Case, motion: Motion, contact: Contact) -> list[Finding]:
    into, out = abs(float(contact.before[1])), max(0.0, float(contact.after[1]))
    if into < 14.0 * case.unit:
        return []
    share = (out / into) ** 2
    material, time = case.cues.material, contact.time
    if material == "soft":
        if out / into > 0.3:
            return [Finding("soft bounce", motion.name, time, None, 0.5, 0.7)]
        return []
    if out / into < _STICK and _stays_down(case, motion, time):
        sure = {"lively": 0.95, "middling": 0.85}.get(material, 0.5)
        return [Finding("stick", motion.name, time, None, 0.8, sure)]
    if material == "lively" and share < 0.35:
        return [Finding("weak bounce", motion.name, time, None, 0.4, 0.6)]
    if material == "middling" and share > 0.62:
        return [Finding("strong bounce", motion.name, time, None, 0.4, 0.6)]
    return []


def _stays_down(case: Case, motion: Motion, time: float) -> bool:
    after = (case.times > time + case.step) & (case.times < time + 1.2) & motion.track.seen
    if after.sum() < 3:
        return False
    return float(np.ptp(motion.track.up[after])) < 1.5 * case.unit
