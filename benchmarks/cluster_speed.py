"""How busy a Ray cluster keeps its devices, and what it costs per scenario.

    python benchmarks/cluster_speed.py --workers 1 2 4 8 --render 2.0

Each worker stands on a GPU of its own that is there in name only: its generator sleeps ``render``
seconds per clip, as a GPU would work, while the VLM and the LLM sleep half of that per loop in
all, as services would. Efficiency is the least time the clips could take, on ``workers`` devices
without a pause, divided by the time from the first clip's begin to the last one's end. Idle is
what a worker waited between its first and its last clip. The overhead per scenario comes from runs
in which nothing sleeps, on a cluster and in one process.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from overhead import Talker

from phyrefine import RayCluster, Scenario, SelfRefiner
from phyrefine.refine.convergence import MaxLoops
from phyrefine.select.simple import Last
from phyrefine.testing import MovingDot, moving_clip
from phyrefine.types import Answer, Question, Shot
from phyrefine.video.clip import Clip

LOOPS = 2
# Of a loop's questions: one critique and one rewrite, and once per scenario a prediction and a
# first rewrite. Half a render for each loop's two.
QUESTIONS = 2


class Sleeper:
    """A generator that is busy as a GPU is: the CPU is free meanwhile."""

    def __init__(self, render: float) -> None:
        self.render, self.inner = render, MovingDot()
        self.profile, self.identity = self.inner.profile, self.inner.identity

    def generate(self, shot: Shot) -> Clip:
        time.sleep(self.render)
        return self.inner.generate(shot)


class Service(Talker):
    """A VLM and an LLM that answer after a while."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def ask(self, question: Question) -> Answer:
        time.sleep(self.seconds)
        return super().ask(question)


def run(scenes: list[Scenario], render: float, **more: Any) -> float:
    """Seconds of a run in a new folder, every clip and answer kept."""
    service = Service(0.5 * render / QUESTIONS)
    with tempfile.TemporaryDirectory() as folder:
        refiner = SelfRefiner(service, service, Sleeper(render), convergence=MaxLoops(LOOPS),
                              ensemble=Last(), baseline=False, run_dir=Path(folder) / "run",
                              max_concurrency=64)  # fmt: skip
        begun = time.perf_counter()
        refined = refiner.refine_many(scenes, **more)
        seconds = time.perf_counter() - begun
    assert all(one.stopped_by == "loop_limit" for one in refined)
    return seconds


def scenes_of(count: int) -> list[Scenario]:
    return [Scenario(f"Dot {n} moves.", moving_clip(24), seconds=1.0, name=f"dot-{n}")
            for n in range(count)]  # fmt: skip


def row(workers: int, render: float, clips: int, in_flight: int | None) -> None:
    """One line of the table."""
    import ray

    scenes = scenes_of(max(2, clips * workers // LOOPS))
    cluster = RayCluster(generators=workers, gpus_per_generator=1, cpus_per_generator=0,
                         in_flight=in_flight)  # fmt: skip
    run(scenes[: 2 * workers], 0.0, on=cluster)  # Ray starts; other workers load below
    run(scenes, render, on=cluster)
    spent = [one for one in cluster.spent() if one.clips and one.busy > render]
    made = sum(one.clips for one in spent)
    span = max(one.span for one in spent)
    idle = 1 - sum(one.busy for one in spent) / sum(one.span for one in spent)
    print(f"{workers:7}{cluster.scenarios:11}{made:7}{span:9.1f}"
          f"{made * render / workers / span:12.3f}{idle:8.1%}", flush=True)  # fmt: skip
    cluster.close()
    assert ray.is_initialized()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--render", type=float, default=2.0, help="seconds a clip takes")
    parser.add_argument("--clips", type=int, default=40, help="clips of each worker")
    parser.add_argument("--in-flight", type=int, help="scenarios in progress at once")
    parser.add_argument("--overhead", type=int, default=60, help="scenarios without any sleep")
    options = parser.parse_args()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    here = Path(__file__).parent
    os.environ["PYTHONPATH"] = os.pathsep.join([str(here), str(here.parent)])
    import ray

    ray.init(address="local", num_cpus=2, num_gpus=max(options.workers), include_dashboard=False,
             logging_level="error", log_to_driver=False)  # fmt: skip
    print(f"render {options.render:g} s, services {options.render / 2:g} s per loop")
    print("workers  in flight  clips  seconds  efficiency    idle")
    for workers in options.workers:
        row(workers, options.render, options.clips, options.in_flight)
    scenes = scenes_of(options.overhead)
    cluster = RayCluster(generators=2, gpus_per_generator=1, cpus_per_generator=0)
    run(scenes[:4], 0.0, on=cluster)
    for name, more in (("one process", {"workers": 2}), ("cluster", {"on": cluster})):
        seconds = run(scenes, 0.0, **more)
        print(f"{name}: {1e3 * seconds / len(scenes):.0f} ms per scenario of {LOOPS} clips, "
              "nothing sleeping")  # fmt: skip
    cluster.close()
    ray.shutdown()


if __name__ == "__main__":
    main()
