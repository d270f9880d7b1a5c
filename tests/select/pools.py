"""Pools of small made-up clips."""

import numpy as np

from phyrefine.types import Attempt, Candidate, Pool, Prompt, Scenario
from phyrefine.video.clip import Clip

FPS = 8.0
SIZE = (48, 64)
FRAMES = 16


def ball(*, row=20.0, column=4.0, speed=3.0, bend=0.0, noise=0.0, seed=0, size=SIZE, frames=FRAMES,
         fps=FPS, radius=4):  # fmt: skip
    """A bright square that moves: ``speed`` pixels a frame to the right, bent downward."""
    rng = np.random.default_rng(seed)
    scale = size[1] / SIZE[1]
    out = np.full((frames, *size, 3), 60.0)
    for t in range(frames):
        at = t * FPS / fps
        r, c = (scale * (row + bend * at * at)), scale * (column + speed * at)
        reach = scale * radius
        out[t, max(0, int(r - reach)) : int(r + reach), max(0, int(c - reach)) : int(c + reach)] = (
            220
        )
    out += rng.normal(0, noise, out.shape[:3])[..., None] if noise else 0.0
    return Clip(out.clip(0, 255).astype(np.uint8), fps)


def still(seed=0, noise=0.0, **rest):
    return ball(speed=0.0, noise=noise, seed=seed, **rest)


def scene(prefix=True, **rest):
    before = ball(column=-20.0, frames=8, **rest) if prefix else None
    return Scenario("A bright square moves to the right.", before, seconds=2.0, fps=FPS, size=SIZE)


def pool(*clips, scenario=None):
    return Pool.of_clips(scenario or scene(), clips)


def attempts(*clips):
    return [Attempt(1, Prompt("p"), tuple(Candidate(clip, i) for i, clip in enumerate(clips)))]
