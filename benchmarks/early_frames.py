"""How many frames of a planted early fault does a VLM get that is shown still frames?

    python benchmarks/early_frames.py --scenes 8

Continuations with each mistake that begins in the first second after the seam are rendered at 24 fps.
Counted are the frames shown within half a second from the mistake's beginning: as chosen now, and as
chosen without favor for the first second. An eye cannot see a fault in frames that it does not get.
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np

from phyrefine.backends.calling import media
from phyrefine.video.clip import Clip
from phyrefine.world.truth.physics.mistakes import MISTAKES, can_err, plant
from phyrefine.world.truth.scenes import SEAM_SECONDS, render, sample_scene, simulate

FINE_FPS, FPS, SIZE, WINDOW = 48.0, 24.0, (64, 48), 0.5


def early_faults(scenes: int, first: int) -> list[tuple[Clip, float]]:
    """Whole clips with the second at which a mistake begins."""
    found = []
    for kind, mistakes in MISTAKES.items():
        for seed in range(first, first + scenes):
            scene = sample_scene(kind, seed)
            rng = np.random.default_rng([seed, 11])
            for mistake in mistakes if can_err(scene) else ():
                right = simulate(scene, seconds=mistake.seconds, fps=FINE_FPS)
                wrong, planted = plant(right, mistake, rng, early=True)
                if planted.early:
                    clip = Clip(render(wrong.every(2), SIZE), FPS)
                    found.append((clip, SEAM_SECONDS + planted.start))
    return found


def shown(clip: Clip, start: float, count: int) -> int:
    """Frames chosen within ``WINDOW`` seconds of the mistake's beginning."""
    times = [number / FPS for number in media.chosen_frames(clip, count, seam=SEAM_SECONDS)]
    return sum(start <= time < start + WINDOW for time in times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=8, help="of each kind")
    parser.add_argument("--scene-seed", type=int, default=1_300_000)
    asked = parser.parse_args()
    clips = early_faults(asked.scenes, asked.scene_seed)
    print(f"{len(clips)} clips with an early mistake, 24 fps, prefix 3 s and 5 s more")
    print(
        "| frames for the clip | shown in the first half second of the mistake | fewer than 3 | before | fewer than 3 |"
    )
    print("|---|---|---|---|---|")
    now = media.EARLY_RATE
    for count in (16, 24, 32, 64):
        cells = []
        for rate in (now, 0.0):
            media.EARLY_RATE = rate
            numbers = [shown(clip, start, count) for clip, start in clips]
            few = sum(number < 3 for number in numbers) / len(numbers)
            cells.append(f"{statistics.fmean(numbers):.1f} | {few:.0%}")
        print(f"| {count} | {' | '.join(cells)} |", flush=True)
    media.EARLY_RATE = now


if __name__ == "__main__":
    main()
