"""Motion along a surface: stops and starts without cause, collisions, sinking in."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from phyrefine.world.eye.checking.flight import falls
from phyrefine.world.eye.measuring.case import Case, Finding, Motion
from phyrefine.world.eye.measuring.motion import Stretch

FloatArray = NDArray[np.float64]

_MOVING = 7.0
_REST = 2.0
_MANY = frozenset({"topple"})


def check_stops(case: Case, motion: Motion) -> list[Finding]:
    """A thing that halts, turns round or sets off although nothing touches it."""
    if motion.swing is not None or _MANY & set(case.cues.kinds):
        return []
    found: list[Finding] = []
    for contact in motion.contacts:
        if contact.time < case.seam_time - 1.5 * case.step:
            continue
        before, after = (float(np.hypot(*v)) for v in (contact.before, contact.after))
        frame = min(len(case.times) - 1, max(0, round(contact.time / case.step)))
        if before > _MOVING * case.unit and after < _REST * case.unit:
            if not case.around.met(motion.track, frame, contact.before):
                sure = 0.6 if falls(case, motion) else 0.85
                found.append(Finding("stop", motion.name, contact.time, None, 0.8, sure))
            continue
        sets_off = before < 0.7 * case.unit and after > _MOVING * case.unit and case.seam > 0
        if sets_off and _released(case, contact.after):
            continue
        if sets_off and not case.around.met(motion.track, frame, contact.after):
            end = contact.time + 0.5
            found.append(Finding("start", motion.name, contact.time, end, 0.7, 0.5))
    return found or _halts(case, motion)


def _released(case: Case, after: FloatArray) -> bool:
    """Whether a thing that the words let go sets off downward, as gravity makes it."""
    return case.cues.starts and float(after[1]) < -0.5 * float(np.hypot(*after))


def _halts(case: Case, motion: Motion) -> list[Finding]:
    """On a slope nothing comes to rest by itself; elsewhere not from one moment to the next."""
    if "ramp" not in case.cues.kinds:
        return []
    for piece in motion.pieces:
        begin = max(piece.begin, case.seam_time)
        if piece.end - begin < 0.6 or piece.mean_speed > _REST * case.unit:
            continue
        moved = float(np.nanmax(motion.track.up)) - float(piece.at(begin)[1])
        above = float(piece.at(begin)[1]) - float(np.nanmin(motion.track.up))
        on_slope = case.floor is not None and _bottom(motion, piece) > case.floor + 3 * case.unit
        if on_slope and above < 2 * case.unit and moved >= 0.0:
            return [Finding("slope stop", motion.name, begin, piece.end, 0.8, 0.85)]
    return []


def _bottom(motion: Motion, piece: Stretch) -> float:
    return float(np.nanmedian(motion.track.bottom[piece.first : piece.last + 1]))


def check_sinking(case: Case, motion: Motion) -> list[Finding]:
    """A thing that goes through the floor instead of landing on it."""
    floor = case.floor
    if floor is None or not falls(case, motion):
        return []
    track, radius = motion.track, motion.track.radius
    deep = track.seen & (track.bottom < floor - max(1.5 * case.unit, 0.5 * radius))
    deep[: case.seam] = False
    if deep.sum() < 2:
        return []
    first = int(np.argmax(deep))
    landed = any(c.after[1] > -0.3 * abs(c.before[1]) and c.before[1] < -8 * case.unit
                 for c in motion.contacts)  # fmt: skip
    if landed:
        return []
    return [Finding("sink", motion.name, float(case.times[first]), None, 0.9, 0.8)]


# -- collisions --------------------------------------------------------------------------------


def check_collisions(case: Case) -> list[Finding]:
    """What becomes of two things that meet, and of one that runs into a resting one."""
    if _MANY & set(case.cues.kinds):
        return []
    found: list[Finding] = []
    motions = [m for m in case.motions if m.swing is None]
    for index, one in enumerate(motions):
        for two in motions[index + 1 :]:
            found += _meet(case, one, two)
    if "collide" in case.cues.kinds and len(motions) == 1 and not found:
        found += _runs_into_scenery(case, motions[0])
    return found


def _meet(case: Case, one: Motion, two: Motion) -> list[Finding]:
    a, b = one.track, two.track
    both = a.seen & b.seen
    if both.sum() < 4:
        return []
    reach = a.radius + b.radius
    apart = np.hypot(a.x - b.x, a.up - b.up)
    apart[~both] = np.inf
    close = apart < reach + 1.5 * case.unit
    close[: case.seam] = False
    if not close.any():
        return []
    frame = int(np.argmax(close))
    time = float(case.times[frame])
    early = _velocity(case, one, frame, -1), _velocity(case, two, frame, -1)
    late = _velocity(case, one, frame, 1), _velocity(case, two, frame, 1)
    before = [float(np.hypot(*v)) for v in early if v is not None]
    after = [float(np.hypot(*v)) for v in late if v is not None]
    if len(before) < 2 or len(after) < 2:
        return []
    runner, target = (one, two) if before[0] >= before[1] else (two, one)
    if max(before) < _MOVING * case.unit or min(before) > 0.5 * max(before):
        return []
    kept = after[0] if runner is one else after[1]
    passed = after[1] if runner is one else after[0]
    return _judge_meeting(case, runner, target, time, (max(before), kept, passed), apart / reach)


def _judge_meeting(
    case: Case,
    runner: Motion,
    target: Motion,
    time: float,
    speeds: tuple[float, float, float],
    gap: FloatArray,
) -> list[Finding]:
    """``speeds`` are the runner's before and after, and the target's after."""
    before, kept, passed = speeds
    a, b = runner.track, target.track
    start = max(0, round(time / case.step) - 2)
    side = np.sign(a.x - b.x)
    known = a.seen & b.seen & (gap > 0.5)
    sides = side[start:][known[start:]]
    overlap = (gap[start:] < 0.6).sum() >= 2
    if len(sides) and sides[0] * sides[-1] < 0 and overlap:
        return [Finding("pass through", runner.name, time, None, 0.9, 0.9, target.name)]
    if passed < 0.15 * before and kept < 0.25 * before and "attract" not in case.cues.kinds:
        return [Finding("no transfer", runner.name, time, None, 0.8, 0.85, target.name)]
    if kept + passed > 1.35 * before + 3.0 * case.unit:
        return [Finding("push gain", target.name, time, None, 0.6, 0.7, runner.name)]
    return []


def _velocity(case: Case, motion: Motion, frame: int, side: int) -> FloatArray | None:
    """Velocity over about a quarter second just before (-1) or after (1) a frame."""
    track = motion.track
    span = max(2, round(0.25 / case.step))
    frames = range(frame - span - 1, frame) if side < 0 else range(frame + 2, frame + span + 3)
    seen = [f for f in frames if 0 <= f < len(case.times) and track.seen[f] and not track.rim[f]]
    if len(seen) < 2:
        return None
    passed = float(case.times[seen[-1]] - case.times[seen[0]])
    way = np.array([track.x[seen[-1]] - track.x[seen[0]], track.up[seen[-1]] - track.up[seen[0]]])
    return np.asarray(way / passed)


def _runs_into_scenery(case: Case, runner: Motion) -> list[Finding]:
    """The other thing never moves: the runner stops at it, or goes through it."""
    track = runner.track
    seen = [f for f in range(case.seam, len(case.times)) if track.seen[f] and not track.rim[f]]
    crossed = [
        early
        for early, late in itertools.pairwise(seen)
        if _crosses_something(case, runner, early, late)
    ]
    if not crossed:
        return _stops_at_scenery(case, runner)
    beyond = np.hypot(
        track.x[seen[-1]] - track.x[crossed[-1]], track.up[seen[-1]] - track.up[crossed[-1]]
    )
    if beyond < 2.0 * track.radius:
        return []
    start, other = float(case.times[crossed[0]]), _second_name(case, runner)
    return [Finding("pass through", runner.name, start, None, 0.9, 0.8, other)]


def _crosses_something(case: Case, runner: Motion, early: int, late: int) -> bool:
    """Whether the way between two frames leads over scenery unlike the rest at that height."""
    image, track = case.sight.background.image, runner.track
    height, width = case.sight.size
    for share in np.linspace(0.0, 1.0, 6):
        x = track.x[early] + share * (track.x[late] - track.x[early])
        up = track.up[early] + share * (track.up[late] - track.up[early])
        row, column = int(np.clip(height - up, 0, height - 1)), int(np.clip(x, 0, width - 1))
        usual = np.median(image[row], axis=0)
        if np.abs(image[row, column] - usual).max() > 2.5 * case.sight.background.contrast:
            return True
    return False


def _stops_at_scenery(case: Case, runner: Motion) -> list[Finding]:
    for contact in runner.contacts:
        before, after = (float(np.hypot(*v)) for v in (contact.before, contact.after))
        made = contact.time >= case.seam_time - case.step
        if made and before > _MOVING * case.unit and after < 0.25 * before:
            other = _second_name(case, runner)
            return [Finding("no transfer", runner.name, contact.time, None, 0.8, 0.8, other)]
    return []


def _second_name(case: Case, runner: Motion) -> str:
    others = [named.name for named in case.cues.objects if named.name != runner.name]
    return others[0] if others else "the other object"
