"""Things stay what they are: they do not vanish, appear, split, jump, change or freeze."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phyrefine.world.eye.measuring.case import Case, Finding, Motion
from phyrefine.world.eye.measuring.tracking import Track

FloatArray = NDArray[np.float64]

# Scenes in which a thing's outline or colour may change by nature.
_CHANGING = frozenset({"spread", "shadow", "warm", "topple"})
# Scenes whose patches of colour grow, shrink and drift, so that their centres are no motion.
SHAPELESS = frozenset({"spread", "warm"})
_FADED = 0.45


def check_frozen(case: Case) -> list[Finding]:
    """Nothing moves in the made part although things were moving, or should have begun to."""
    if not case.seam or case.seam + 3 >= len(case.times):
        return []
    if SHAPELESS & set(case.cues.kinds):
        return _unchanging(case)
    made = slice(case.seam, len(case.times))
    if any(_path(m.track, made) > 1.2 * case.unit for m in case.motions):
        return []
    if any(m.track.last < len(case.times) - 3 for m in case.motions):
        return []
    back = max(3, round(0.7 / case.step))
    filmed = slice(max(0, case.seam - back), case.seam)
    moved = [m for m in case.motions if _path(m.track, filmed) > 1.0 * case.unit]
    if moved:
        return [Finding("frozen", moved[0].name, case.seam_time, None, 1.0, 0.95)]
    if case.cues.starts and case.cues.kind:
        return [Finding("frozen", _first_name(case), case.seam_time, None, 0.9, 0.7)]
    return []


def moves(case: Case) -> bool:
    """Whether anything moves, spreads or changes in the made part."""
    made = slice(case.seam, len(case.times))
    if any(_path(motion.track, made) > 1.2 * case.unit for motion in case.motions):
        return True
    thumbs = case.sight.thumbs[made]
    if len(thumbs) < 2:
        return False
    return bool(np.abs(thumbs - thumbs[0]).max() > 0.6 * case.sight.background.contrast)


def _first_name(case: Case) -> str:
    return case.cues.objects[0].name if case.cues.objects else "the object"


def _unchanging(case: Case) -> list[Finding]:
    """Ink and warmth have no outline to follow: look at the picture as a whole."""
    thumbs = case.sight.thumbs
    shift = np.abs(thumbs - thumbs[case.seam])
    filmed, made = shift[: case.seam], shift[case.seam + 1 :]
    if made.max() > 0.6 * case.sight.background.contrast or filmed.max() < made.max() + 4.0:
        return []
    return [Finding("frozen", _first_name(case), case.seam_time, None, 0.9, 0.8)]


def check_gathering(case: Case) -> list[Finding]:
    """Ink that draws together and darkens instead of spreading."""
    if "spread" not in case.cues.kinds or case.seam + 4 >= len(case.times):
        return []
    thumbs = case.sight.thumbs
    apart = np.abs(thumbs - thumbs[: max(1, case.seam // 4)].mean(axis=0))
    peak = apart[case.seam :].max(axis=(1, 2))
    early, late = float(np.median(peak[:4])), float(np.median(peak[-4:]))
    if late > 1.3 * early + 3.0 * case.sight.background.noise:
        return [Finding("gather", _first_name(case), case.seam_time, None, 0.8, 0.7)]
    return []


def _path(track: Track, span: slice) -> float:
    """Diagonal of the box the thing stays in during a span of frames, pixels."""
    x, up = track.x[span], track.up[span]
    if np.isfinite(x).sum() < 2:
        return 0.0
    return float(np.hypot(np.nanmax(x) - np.nanmin(x), np.nanmax(up) - np.nanmin(up)))


def check_permanence(case: Case) -> list[Finding]:
    """Vanishing, appearing, splitting, and changes of size or colour."""
    if _CHANGING & set(case.cues.kinds) or not case.motions:
        return []
    usual = max(float(np.nanmedian(m.track.area)) for m in case.motions)
    found: list[Finding] = []
    for motion in case.motions:
        if float(np.nanmedian(motion.track.area)) < 0.3 * usual:
            continue
        found += _vanishes(case, motion) or _changes(case, motion)
        found += _appears(case, motion)
    return found


def _vanishes(case: Case, motion: Motion) -> list[Finding]:
    track = motion.track
    last = track.last
    patience = max(2, round(0.3 / case.step))
    if last >= len(case.times) - patience or last < case.seam - 1:
        return []
    if _leaves(case, track, last) or _lives_on(case, track, last):
        return []
    return [Finding("vanish", motion.name, float(case.times[last]), None, 1.0, 0.95)]


def _leaves(case: Case, track: Track, last: int) -> bool:
    """Whether the thing was at the border, or would be there in the next frames."""
    height, width = case.sight.size
    recent = [f for f in range(max(0, last - 3), last + 1) if track.seen[f]]
    if track.rim[recent].any():
        return True
    if len(recent) < 2:
        return False
    passed = recent[-1] - recent[0]
    step_x = (track.x[recent[-1]] - track.x[recent[0]]) / passed
    step_up = (track.up[recent[-1]] - track.up[recent[0]]) / passed
    x, up = track.x[last] + 2.0 * step_x, track.up[last] + 2.0 * step_up
    r = track.radius
    # A floor in view holds what falls, so nothing leaves through it.
    lowest = r if case.floor is None else -np.inf
    return not (r < x < width - r and lowest < up < height - r)


def _lives_on(case: Case, track: Track, last: int) -> bool:
    """Whether another track takes over, as when a thing is hidden for a while."""
    for other in case.sight.tracks:
        begins = other.first
        if other is track or not last < begins <= last + round(1.0 / case.step):
            continue
        near = np.hypot(other.x[begins] - track.x[last], other.up[begins] - track.up[last])
        if near < 0.3 * max(case.sight.size) and other.area[begins] > 0.3 * track.area[last]:
            return True
    return False


def _changes(case: Case, motion: Motion) -> list[Finding]:
    track = motion.track
    whole = track.seen & ~track.rim
    filmed = whole.copy()
    filmed[case.seam :] = False
    if filmed.sum() < 3:
        filmed = whole & (np.cumsum(whole) <= max(3, whole.sum() // 5))
    made = np.flatnonzero(whole & (np.arange(len(whole)) >= case.seam))
    if filmed.sum() < 2 or len(made) < 4:
        return []
    ratio = track.area[made] / float(np.median(track.area[filmed]))
    span = max(3, round(0.4 / case.step))
    smooth = np.array([np.median(ratio[max(0, i - span) : i + 1]) for i in range(len(ratio))])
    tail = int(len(ratio) - np.argmax((smooth >= _FADED)[::-1]))
    if smooth[-1] < _FADED:
        return [Finding("fade", motion.name, float(case.times[made[tail - 1]]), None, 0.9, 0.8)]
    grown = np.flatnonzero((smooth > 1.8) | (smooth < 0.5))
    if len(grown) >= span:
        time = float(case.times[made[grown[0]]])
        return [Finding("size", motion.name, time, None, 0.6, 0.7)]
    shift = np.linalg.norm(
        np.median(track.colour[made[-span:]], axis=0) - np.median(track.colour[filmed], axis=0)
    )
    if shift > 75.0:
        return [Finding("colour", motion.name, float(case.times[made[-span]]), None, 0.6, 0.7)]
    return []


def _appears(case: Case, motion: Motion) -> list[Finding]:
    track = motion.track
    first = track.first
    if first <= max(case.seam - 1, 1) or track.rim[first : first + 2].any():
        return []
    if track.seen.sum() * case.step < 0.5 or _enters(case, track, first):
        return []
    time = float(case.times[first])
    for other in case.motions:
        if other is motion or not other.track.seen[max(0, first - 1)]:
            continue
        alike = np.linalg.norm(
            np.nanmedian(other.track.colour, axis=0) - np.nanmedian(track.colour, axis=0)
        )
        if alike < 60.0 and other.track.seen[first]:
            return [Finding("split", other.name, time, None, 0.9, 0.8)]
    return [Finding("appear", motion.name, time, None, 0.8, 0.7)]


def _enters(case: Case, track: Track, first: int) -> bool:
    height, width = case.sight.size
    reach = 2.0 * track.radius + 0.08 * max(height, width)
    x, up = float(track.x[first]), float(track.up[first])
    return min(x, width - x, up, height - up) < reach


def check_jumps(case: Case, motion: Motion) -> list[Finding]:
    """A thing that is suddenly elsewhere, above all at the seam."""
    if _CHANGING & set(case.cues.kinds):
        return []
    track = motion.track
    seen = np.flatnonzero(track.seen & ~track.rim)
    if len(seen) < 4:
        return []
    gaps = np.diff(seen)
    steps = np.hypot(np.diff(track.x[seen]), np.diff(track.up[seen])) / gaps
    for index in range(1, len(steps) - 1):
        if seen[index + 1] < case.seam or gaps[index] > 2:
            continue
        usual = max(steps[index - 1], steps[index + 1])
        if steps[index] > 2.0 * usual + 2.0 * case.unit:
            time = float(case.times[seen[index + 1]])
            return [Finding("jump", motion.name, time, time + 2 * case.step, 0.7, 0.8)]
    return []
