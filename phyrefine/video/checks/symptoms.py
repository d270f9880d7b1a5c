"""What is odd about a generated clip without any critic: black, frozen, too short."""

from __future__ import annotations

import numpy as np

from phyrefine.video.checks.cuts import FindCuts, cuts
from phyrefine.video.clip import Clip

# Mean gray level (0..255) up to which a frame counts as black.
BLACK_LEVEL = 4.0
# Seconds at the end without any change, and without a prefix that stands still, that are told.
FROZEN_SECONDS = 0.25
# Seconds that a model may make less than asked for before it is told: a rounding of frame counts.
MISSING_SECONDS = 0.02


def symptoms(clip: Clip, *, frames: int, fps: float, find_cuts: FindCuts = cuts) -> tuple[str, ...]:
    """Notes on a delivered clip, in words.

    Args:
        clip: The delivered clip; its native frames are looked at where kept.
        frames: Frames asked for.
        fps: Rate asked for.
        find_cuts: Gives the seconds at which another shot begins.
    """
    made = clip.as_made
    notes = []
    missing = frames / fps - made.duration
    if missing > max(MISSING_SECONDS, 0.5 / made.fps):
        notes.append(
            f"the generator made {made.duration:.2f} s of {frames / fps:.2f} s: the last frame is "
            f"held for {missing:.2f} s"
        )
    levels = made.take(range(0, len(made), max(1, len(made) // 16))).mean(axis=(1, 2, 3))
    if float(levels.max()) <= BLACK_LEVEL:
        notes.append("all frames are black")
    frozen = _still_end(made)
    if frozen >= FROZEN_SECONDS and frozen < made.duration - 1 / made.fps:
        notes.append(f"the last {frozen:.2f} s are one picture, repeated")
    found = find_cuts(made)
    if found:
        times = ", ".join(f"{at:.2f}" for at in found)
        notes.append(f"a cut to another shot at {times} s")
    return tuple(notes)


def _still_end(clip: Clip) -> float:
    """Seconds at the end in which no pixel changes at all; a scene at rest still has noise."""
    count, before = -1, None
    for frame in clip.each():
        still = before is not None and np.array_equal(frame, before)
        count, before = count + 1 if still else 0, frame
    return count / clip.fps
