"""What the embedded world's eye measures on filmed experiments, and whether it prefers them.

    python benchmarks/eye_on_real_clips.py FOLDER

FOLDER holds the clips named in ``CLIPS`` (none are shipped). Each clip is measured: pendulum
periods against a hand count, residuals of arcs and parabolas, faults found in true footage. Then
the judge scores it beside three false copies of itself: time-warped, reversed and frozen. Once
the whole clip is judged, and once its second part as the continuation of an unchanged first part.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from phyrefine.refine.stages import Method, critique
from phyrefine.select.scorers.judge import Judge
from phyrefine.types import Scenario
from phyrefine.video.clip import Clip
from phyrefine.world.eye import WorldVLM
from phyrefine.world.eye.checking.flight import is_flight
from phyrefine.world.eye.measuring.case import Case, Motion

PIXELS = 640
SEAM_SECONDS, WINDOW_SECONDS = 3.0, 8.0


@attrs.frozen
class Filmed:
    """One clip.

    Attributes:
        file: Its name in the folder.
        description: What is to be seen, in words that give nothing of the motion's numbers away.
        hand: Frames, to a tenth, at which the bob's middle passes a thin line drawn under the
            pivot, read off contact sheets of single frames; empty where nothing swings freely.
    """

    file: str
    description: str
    hand: tuple[float, ...] = ()


CLIPS = (
    Filmed("morpheus_falling_ball.webm", "An orange ball falls in front of a board."),
    Filmed("morpheus_bouncing_ball.webm", "An orange ball bounces off the floor."),
    Filmed("morpheus_projectile.webm", "A small ball is thrown over a table."),
    Filmed(
        "morpheus_holonomic_pendulum.webm",
        "An orange bob swings on a rod.",
        (25.5, 96.2, 160.9, 227.25, 288.75, 354.6, 413.7),
    ),
    Filmed(
        "morpheus_non_holonomic_pendulum.webm",
        "An orange bob swings on a string.",
        (39.9, 163.5, 294.5, 417.25),
    ),
    Filmed("morpheus_double_pendulum.webm", "A double pendulum swings on a stand."),
    Filmed("necrosskull_pendulum.mp4", "A red ball swings on a string."),
    Filmed("oliverius_ball_drop.mp4", "A hand lets go of a red ball above the floor."),
    Filmed("trflorian_ball_toss.mp4", "A hand tosses a green ball up."),
)


# -- measuring ---------------------------------------------------------------------------------


def measured(case: Case) -> Iterator[dict[str, Any]]:
    """What was fitted to each thing; lengths in pixels of the measured picture."""
    for motion in case.motions:
        yield {
            "thing": motion.name,
            "seen": f"{motion.track.seen.sum()}/{len(case.times)}",
            **_arc(motion),
            **_parabolas(case, motion),
        }


def _arc(motion: Motion) -> dict[str, Any]:
    swing = motion.swing
    if swing is None:
        return {}
    return {
        "period s": None if swing.period is None else round(swing.period, 3),
        "passes": len(swing.crossings),
        "radius px": round(swing.length, 1),
        "arc residual px": round(float(np.sqrt(np.mean(swing.off**2))), 2),
    }


def _parabolas(case: Case, motion: Motion) -> dict[str, Any]:
    flights = [p for p in motion.pieces if p.frames >= 6 and is_flight(case, motion, p)]
    if motion.swing is not None or not flights:
        return {}
    return {
        "flights s": [f"{p.begin:.2f}-{p.end:.2f}" for p in flights],
        "gravity px/s2": [round(-float(p.pull[1]), 1) for p in flights],
        "parabola residual px": [round(p.misfit, 2) for p in flights],
    }


def period_by_hand(passes: tuple[float, ...], fps: float) -> float | None:
    """Mean period in seconds over all whole swings between passes, both directions."""
    if len(passes) < 3:
        return None
    whole = [late - early for early, late in zip(passes[:-2], passes[2:], strict=True)]
    return float(np.mean(whole)) / fps


# -- false copies ------------------------------------------------------------------------------


def warped(clip: Clip) -> Clip:
    """Speed swings one and a half times between a quarter and one and a half of the true one."""
    share = np.linspace(0.0, 1.0, len(clip), endpoint=False)
    turns = 3.0 * np.pi
    passed = share + 0.7 * (1.0 - np.cos(turns * share)) / turns
    return _picked(clip, passed / passed.max() * (len(clip) - 1))


def reversed_(clip: Clip) -> Clip:
    """Last frame first."""
    return _picked(clip, np.arange(len(clip))[::-1])


def frozen(clip: Clip) -> Clip:
    """The first frame throughout."""
    return _picked(clip, np.zeros(len(clip)))


def _picked(clip: Clip, frames: np.ndarray) -> Clip:
    return Clip(clip.frames[np.rint(frames).astype(int)], clip.fps)


COPIES = {"real": lambda clip: clip, "warped": warped, "reversed": reversed_, "frozen": frozen}


def parts(clip: Clip) -> tuple[Clip, Clip]:
    """An unchanged first part and the part to judge: 3 s and 5 s, or half and half."""
    if clip.duration >= WINDOW_SECONDS:
        return clip.seconds(0.0, SEAM_SECONDS), clip.seconds(SEAM_SECONDS, WINDOW_SECONDS)
    return clip.seconds(0.0, clip.duration / 2), clip.seconds(clip.duration / 2)


def ranked(judge: Judge, description: str, clip: Clip, prefix: Clip | None) -> dict[str, Any]:
    """The judge's score of a clip and of its false copies; which copies the real one beats."""
    scenario = Scenario(description, prefix)
    scores = {name: round(judge.score(scenario, copy(clip)), 2) for name, copy in COPIES.items()}
    beaten = [name for name in COPIES if name != "real" and scores["real"] > scores[name]]
    return {"scores": scores, "beats": beaten}


# -- the whole ---------------------------------------------------------------------------------


def look_at(filmed: Filmed, folder: Path, vlm: WorldVLM) -> dict[str, Any]:
    """All figures of one clip."""
    clip = _small(Clip.read(folder / filmed.file))
    prefix, rest = parts(clip)
    found = critique(vlm, rest, Scenario(filmed.description, prefix), Method())
    by_hand = period_by_hand(filmed.hand, clip.fps)
    case = vlm.measure(clip, filmed.description)
    things = list(measured(case))
    report: dict[str, Any] = {
        "frames": len(clip),
        "background noise": round(case.sight.background.noise, 2),
        "things": things,
    }
    if by_hand is not None:
        periods = [thing["period s"] for thing in things if thing.get("period s")]
        report["period by hand s"] = round(by_hand, 3)
        report["periods off by"] = [f"{100 * (p / by_hand - 1):+.1f} %" for p in periods]
    said = found.violations if found else ()
    report["faults found in true footage"] = [f"{v.start:.1f} s: {v.what}" for v in said]
    judge = Judge(vlm)
    report["whole clip"] = ranked(judge, filmed.description, clip, None)
    report["continuation"] = ranked(judge, filmed.description, rest, prefix)
    return report


def _small(clip: Clip) -> Clip:
    scale = PIXELS / max(clip.size)
    if scale >= 1.0:
        return clip
    height, width = (max(8, round(side * scale)) for side in clip.size)
    return clip.resize(height, width, mode="stretch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", default=None, help="parts of file names")
    asked = parser.parse_args()
    began, vlm = time.process_time(), WorldVLM()
    wins = {"whole clip": 0, "continuation": 0}
    compared = 0
    for filmed in CLIPS:
        if asked.only and not any(part in filmed.file for part in asked.only):
            continue
        report = look_at(filmed, asked.folder, vlm)
        print(json.dumps({filmed.file: report}, indent=1))
        compared += len(COPIES) - 1
        for setting in wins:
            wins[setting] += len(report[setting]["beats"])
    print(f"real above false copy, of {compared}: {wins}")
    print(f"{time.process_time() - began:.0f} CPU seconds")


if __name__ == "__main__":
    main()
