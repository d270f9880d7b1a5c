"""Small runs of several scenarios, and a gate that holds one while it is looked at."""

import threading

from attrs import evolve
from test_refiner import SCENE, Watcher, Writer

from phyrefine import SelfRefiner
from phyrefine.refine.convergence import MaxLoops
from phyrefine.testing import MovingDot

SCENES = [evolve(SCENE, name=f"scene {number}") for number in range(4)]


def refiner(run_dir, generator=None, vlm=None):
    return SelfRefiner(
        vlm or Watcher(), Writer(), generator or MovingDot(), convergence=MaxLoops(1),
        ensemble="last", run_dir=run_dir, prices={"watcher-1": {"input": 1000, "output": 0}},
    )  # fmt: skip


class Gate:
    """A generator's ``fail`` that waits at its second clip until it is opened."""

    def __init__(self):
        self.reached, self.open, self.shots = threading.Event(), threading.Event(), 0

    def __call__(self, shot):
        self.shots += 1
        if self.shots == 2:
            self.reached.set()
            assert self.open.wait(60)
