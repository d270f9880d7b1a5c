"""All checks of a clip, and how far a clip as a whole is from lawful motion."""

from __future__ import annotations

import numpy as np

from phyrefine.world.eye.checking.flight import check_bounces, check_flight, is_flight
from phyrefine.world.eye.checking.ground import check_collisions, check_sinking, check_stops
from phyrefine.world.eye.checking.permanence import (
    SHAPELESS,
    check_frozen,
    check_gathering,
    check_jumps,
    check_permanence,
)
from phyrefine.world.eye.measuring.case import Case, Finding, Motion
from phyrefine.world.eye.measuring.swing import Swing

# A finding silences others that only repeat it: what vanishes also stops.
_SILENCES = {
    "frozen": None,
    "vanish": ("fade", "size", "colour", "stop", "hover", "stick", "weak bounce"),
    "fade": ("size", "colour", "stop", "hover", "weak bounce"),
    "hover": ("stop", "slow fall", "sideways"),
    "no transfer": ("stop", "start"),
    "pass through": ("start", "jump", "stop"),
    "stick": ("stop",),
    "slope stop": ("stop",),
}


def check(case: Case) -> list[Finding]:
    """Every break of a law that was measured, in order of time."""
    frozen = check_frozen(case)
    if frozen:
        return frozen
    if SHAPELESS & set(case.cues.kinds):
        return check_gathering(case)
    found = [*check_permanence(case), *check_collisions(case)]
    for motion in case.motions:
        found += check_jumps(case, motion)
        if motion.swing is not None:
            found += check_swing(case, motion, motion.swing)
        else:
            found += check_flight(case, motion)
            found += check_bounces(case, motion)
            found += check_stops(case, motion)
            found += check_sinking(case, motion)
    return sorted(_distinct(found), key=lambda finding: finding.start)


def _distinct(found: list[Finding]) -> list[Finding]:
    silenced = {
        (finding.thing, topic) for finding in found for topic in _SILENCES.get(finding.topic) or ()
    }
    kept: dict[tuple[str, str], Finding] = {}
    for finding in found:
        key = (finding.thing, finding.topic)
        if key not in silenced:
            kept.setdefault(key, finding)
    return list(kept.values())


# -- pendulums ---------------------------------------------------------------------------------


def check_swing(case: Case, motion: Motion, swing: Swing) -> list[Finding]:
    """A bob that stops in mid-swing, climbs, leaves its circle or changes its period."""
    made = swing.times >= case.seam_time
    if made.sum() < 4:
        return []
    found = _swing_stop(case, motion, swing)
    found += _swing_growth(case, motion, swing)
    off = np.abs(swing.off[made])
    if (off > max(1.8 * case.unit, 0.08 * swing.length)).sum() >= 2:
        time = float(swing.times[made][int(off.argmax())])
        found.append(Finding("string", motion.name, time, None, 0.6, 0.7))
    if not found:
        found += _uneven(case, motion, swing)
    return found


def _swing_stop(case: Case, motion: Motion, swing: Swing) -> list[Finding]:
    """Rest away from the lowest point, longer than the pause at a turning point."""
    position = swing.angle * swing.length
    longest = max(0.7, 0.3 * swing.period) if swing.period else 0.9
    start = 0
    for index in range(1, len(position) + 1):
        still = index < len(position) and abs(position[index] - position[start]) < 0.9 * case.unit
        if still:
            continue
        begin = max(swing.times[start], case.seam_time)
        lasted = float(swing.times[index - 1]) - float(begin)
        aside = abs(float(swing.angle[start])) > max(0.12 * swing.amplitude, 0.05)
        moved = swing.amplitude * swing.length > 4 * case.unit
        if lasted > longest and aside and moved:
            return [Finding("swing stop", motion.name, float(begin), None, 0.9, 0.9)]
        start = index
    return []


def _swing_growth(case: Case, motion: Motion, swing: Swing) -> list[Finding]:
    """Turning points on one side that climb, or one higher than where the bob was let go."""
    for earlier, later in zip(swing.turns[:-2], swing.turns[2:], strict=True):
        grown = (abs(later[1]) - abs(earlier[1])) * swing.length
        if later[0] > case.seam_time and grown > 1.5 * case.unit + 0.06 * swing.length * abs(
            earlier[1]
        ):
            return [Finding("swing gain", motion.name, float(later[0]), None, 0.7, 0.8)]
    return []


def _uneven(case: Case, motion: Motion, swing: Swing) -> list[Finding]:
    """Half periods that differ by more than a decaying amplitude explains."""
    halves = np.diff(swing.crossings)
    if len(halves) < 2:
        return []
    worst = int(np.abs(halves - np.median(halves)).argmax())
    share = abs(float(halves[worst] / np.median(halves)) - 1.0)
    if share > 0.2 + 1.5 * case.step / float(np.median(halves)):
        time = float(swing.crossings[worst])
        if swing.crossings[worst + 1] > case.seam_time:
            return [Finding("period", motion.name, time, None, 0.5, 0.7)]
    return []


def unevenness(case: Case) -> float:
    """0 for motion that keeps one law throughout, growing with its scatter.

    The scatter of a pendulum's half periods, or of the gravity of a thing's flights.
    """
    scatter = [0.0]
    for motion in case.motions:
        if motion.swing is not None and len(motion.swing.crossings) > 2:
            halves = np.diff(motion.swing.crossings)
            scatter.append(float(np.std(halves) / np.mean(halves)))
        pulls = [
            -float(piece.pull[1])
            for piece in motion.pieces
            if motion.swing is None and is_flight(case, motion, piece, least=6)
        ]
        if len(pulls) > 1:
            scatter.append(float(np.std(pulls) / np.mean(pulls)))
    return max(scatter)
