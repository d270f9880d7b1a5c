"""Small clips and backends that count, for the tests of this folder."""

import numpy as np

from phyrefine.video.clip import Clip

KEY = "critique-" + "3fa9" * 8


def noise(frames=3, size=(7, 5), fps=24.0, seed=0):
    made = np.random.default_rng(seed).integers(0, 256, (frames, *size, 3), dtype=np.uint8)
    return Clip(made, fps)


class Clock:
    """Monotonic seconds that pass only when told."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def passes(self, seconds):
        self.now += seconds
