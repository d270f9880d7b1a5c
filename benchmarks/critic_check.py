"""Does the embedded world's critic see planted mistakes, and leave true clips alone?

    python benchmarks/critic_check.py --scenes 8 --scene-seed 1300000

Every scene is judged through the loop's own critique step (prefix and description included): once
as it truly goes on, and twice with each mistake of ``phyrefine.world.truth.physics.mistakes`` that its kind
has: asked to begin in the first second after the seam, and later. Recall is given for both, by when the mistake
truly begins. Continuations are rendered at the generator's 64 x 48 pixels and 8 fps. The critic's thresholds
were set on scenes 1100000-1199999, so other seeds from 1000000 on are fair.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import attrs
import numpy as np

from phyrefine.refine.stages import Method, critique
from phyrefine.types import Scenario, Violation
from phyrefine.video.clip import Clip
from phyrefine.video.delivery import deliver
from phyrefine.world.eye import WorldVLM
from phyrefine.world.truth.physics.mistakes import MISTAKES, Planted, can_err, plant
from phyrefine.world.truth.scenes import (
    KINDS,
    SEAM_SECONDS,
    Trajectory,
    describe,
    render,
    sample_scene,
    simulate,
)

FPS, FINE_FPS, MADE_FPS = 24.0, 48.0, 8.0
SIZE = (64, 48)

# The law that each planted mistake breaks, in the critic's words.
LAWS: dict[str, frozenset[str]] = {
    "floats": frozenset({"gravity"}),
    # A ball that sticks in the first made frames leaves a clip without any motion.
    "sticks": frozenset({"elastic rebound", "momentum", "motion goes on"}),
    "vanishes": frozenset({"object permanence"}),
    "passes through": frozenset({"solidity"}),
    "halts": frozenset({"gravity", "inertia", "motion goes on"}),
    "too lively": frozenset({"elastic rebound", "energy", "momentum"}),
    "never at rest": frozenset({"energy", "elastic rebound", "gravity", "inertia"}),
    "too fast": frozenset({"gravity", "constant period", "momentum", "inertia"}),
    "doubled": frozenset({"object permanence"}),
    "jumps": frozenset({"motion is continuous", "object permanence", "inertia"}),
}


@attrs.frozen
class Judged:
    """One clip and what the critic said of it.

    Attributes:
        kind: Kind of scene.
        seed: Its seed.
        planted: The record of the mistake; ``None`` for a true continuation.
        violations: What the critic found.
    """

    kind: str
    seed: int
    planted: Planted | None
    violations: tuple[Violation, ...]

    @property
    def mistake(self) -> str:
        return self.planted.name if self.planted else ""

    @property
    def named(self) -> bool:
        return any(found.law in LAWS[self.mistake] for found in self.violations)


def film(trajectory: Trajectory) -> tuple[Clip, Clip]:
    """Prefix at 24 fps, and continuation at 8 fps delivered at 24 as the generator does."""
    prefix = Clip(render(trajectory.every(2), SIZE), FPS).seconds(0.0, SEAM_SECONDS)
    made = Clip(render(trajectory.every(6), SIZE), MADE_FPS)
    native = Clip(made.frames[round(SEAM_SECONDS * MADE_FPS) :], MADE_FPS)
    frames = round(native.duration * FPS)
    return prefix, deliver(native, frames=frames, fps=FPS, size=(SIZE[1], SIZE[0]))


def judge(kind: str, seed: int, vlm: WorldVLM) -> Iterator[Judged]:
    """The true continuation and each mistake of one scene."""
    scene = sample_scene(kind, seed)
    true = simulate(scene, fps=FINE_FPS)
    versions: list[tuple[Planted | None, Trajectory]] = [(None, true)]
    if can_err(scene):
        rng = np.random.default_rng([seed, 11])
        for mistake in MISTAKES[kind]:
            right = simulate(scene, seconds=mistake.seconds, fps=FINE_FPS)
            for early in (True, False):
                wrong, planted = plant(right, mistake, rng, early=early)
                versions.append((planted, wrong))
    for planted, trajectory in versions:
        prefix, clip = film(trajectory)
        said = critique(vlm, clip, Scenario(describe(scene), prefix), Method())
        if said is None:
            raise RuntimeError(f"The critic said nothing usable about {kind} {seed} {planted}.")
        yield Judged(kind, seed, planted, said.violations)


def summarise(judged: Sequence[Judged]) -> dict[str, float]:
    """Counts and shares over clips; precision and recall are of "something is wrong here"."""
    true = [clip for clip in judged if not clip.mistake]
    wrong = [clip for clip in judged if clip.mistake]
    alarms = sum(bool(clip.violations) for clip in true)
    caught = sum(bool(clip.violations) for clip in wrong)
    return {
        "true clips": len(true),
        "wrong clips": len(wrong),
        "precision": _share(caught, caught + alarms),
        "recall": _share(caught, len(wrong)),
        "recall, right law named": _share(sum(clip.named for clip in wrong), len(wrong)),
        "false alarms per true clip": _share(sum(len(c.violations) for c in true), len(true)),
        "other laws blamed per wrong clip": _share(
            sum(v.law not in LAWS[c.mistake] for c in wrong for v in c.violations), len(wrong)
        ),
    }


def by_onset(judged: Sequence[Judged]) -> dict[str, dict[str, float]]:
    """Recall of mistakes by direction and by whether they begin in the first second."""
    groups: dict[str, list[Judged]] = defaultdict(list)
    for clip in judged:
        if clip.planted is not None:
            onset = "early" if clip.planted.early else "late"
            groups[onset].append(clip)
            groups[f"{onset}, {clip.planted.direction} motion"].append(clip)
    return {
        name: {
            "wrong clips": len(clips),
            "recall": _share(sum(bool(clip.violations) for clip in clips), len(clips)),
            "recall, right law named": _share(sum(clip.named for clip in clips), len(clips)),
        }
        for name, clips in sorted(groups.items())
    }


def _share(part: int, whole: int) -> float:
    return round(part / whole, 3) if whole else float("nan")


def table(judged: Sequence[Judged]) -> dict[str, str]:
    """Per kind and mistake: clips caught of clips judged, and the laws blamed."""
    groups: dict[str, list[Judged]] = defaultdict(list)
    for clip in judged:
        groups[f"{clip.kind} {clip.mistake or 'true'}"].append(clip)
    lines = {}
    for name, clips in groups.items():
        said = Counter(found.law for clip in clips for found in clip.violations)
        caught = sum(bool(clip.violations) for clip in clips)
        blamed = "; ".join(f"{count} x {what}" for what, count in said.most_common(4))
        lines[name] = f"{caught}/{len(clips)} {blamed}".strip()
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--scenes", type=int, default=8, help="of each kind")
    parser.add_argument("--scene-seed", type=int, default=1_300_000)
    parser.add_argument("--verbose", action="store_true", help="print what was said of each group")
    asked = parser.parse_args()
    began, vlm = time.process_time(), WorldVLM()
    judged = [
        clip
        for kind in asked.kinds
        for number in range(asked.scenes)
        for clip in judge(kind, asked.scene_seed + number, vlm)
    ]
    if asked.verbose:
        for name, line in table(judged).items():
            print(f"{name:28} {line}")
    erring = [clip for clip in judged if clip.kind in MISTAKES]
    report = {
        "all kinds": summarise(judged),
        "kinds with mistakes": summarise(erring),
        "mistakes by onset": by_onset(erring),
        "cpu_seconds": round(time.process_time() - began),
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
