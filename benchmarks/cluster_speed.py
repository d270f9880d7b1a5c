"""How busy a Ray cluster keeps its devices, and what it costs per scenario.

    python benchmarks/cluster_speed.py --workers 1 2 4 8 --render 2 5 10

Each worker stands on a GPU of its own that is there in name only: its generator sleeps ``render``
seconds per clip, as a GPU would work, while the VLM and the LLM sleep half of that (or another
``--services`` share) per loop in all, as services would. Workers are loaded before the clock runs.
The generator itself notes when each clip begins and ends. Efficiency is the least time the clips could take, on ``workers``
devices without a pause, divided by the time from the first clip's begin to the last one's end;
"at most" is the same of a simulated run in which nothing but generator and services takes time,
since the last scenarios leave some workers without work. Idle is the share of device time without
a clip before the last scenario begins, "lost" the device time without a clip in all, per clip. The
overhead per scenario comes from runs in which nothing sleeps, on a cluster and in one process.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
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
# Of a loop: one critique and one rewrite, and once per scenario a prediction and a first rewrite.
QUESTIONS = 2


class Sleeper:
    """A generator that is busy as a GPU is: the CPU is free meanwhile.

    Args:
        folder: Holds the seconds that a clip takes, and a line for each clip made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.inner = folder, MovingDot()
        self.profile, self.identity = self.inner.profile, self.inner.identity

    def generate(self, shot: Shot) -> Clip:
        begun = time.monotonic()  # one clock for all processes of a machine
        time.sleep(float((self.folder / "render").read_text()))
        clip = self.inner.generate(shot)
        line = f"{os.getpid()} {begun} {time.monotonic()}\n"
        file = os.open(self.folder / "clips", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line.encode())
        os.close(file)
        return clip

    def takes(self, render: float) -> None:
        """From now on a clip takes so many seconds, and none was made."""
        (self.folder / "render").write_text(str(render))
        (self.folder / "clips").write_text("")

    def clips(self) -> dict[str, list[tuple[float, float]]]:
        """Begin and end of all clips, by worker."""
        found: dict[str, list[tuple[float, float]]] = {}
        for line in (self.folder / "clips").read_text().splitlines():
            worker, begun, ended = line.split()
            found.setdefault(worker, []).append((float(begun), float(ended)))
        return found


class Service(Talker):
    """A VLM and an LLM that answer after a while, and note when the last scenario began."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self.last_begun = seconds, 0.0

    def ask(self, question: Question) -> Answer:
        if question.stage == "predict":
            self.last_begun = time.monotonic()
        time.sleep(self.seconds)
        return super().ask(question)


def run(
    sleeper: Sleeper, scenes: list[Scenario], render: float, services: float = 0.5, **more: Any
) -> tuple[float, float, float]:
    """Of a run in a new folder, every clip and answer kept.

    Returns:
        (wall seconds, the driver's CPU seconds, when the last scenario began).
    """
    service = Service(services * render / QUESTIONS)
    sleeper.takes(render)
    with tempfile.TemporaryDirectory() as folder:
        refiner = SelfRefiner(service, service, sleeper, convergence=MaxLoops(LOOPS),
                              ensemble=Last(), baseline=False, run_dir=Path(folder) / "run",
                              max_concurrency=64)  # fmt: skip
        wall, cpu = time.perf_counter(), time.process_time()
        refined = refiner.refine_many(scenes, **more)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert all(one.stopped_by == "loop_limit" for one in refined)
    # A rewrite that is refused and asked for again would make the services slower than stated.
    assert service.calls == len(scenes) * (LOOPS + 1) * QUESTIONS
    return wall, cpu, service.last_begun


def ideal(workers: int, in_flight: int, scenarios: int, ahead: int, services: float) -> float:
    """The span, in renders, of a run in which only generator and services take time."""
    order = itertools.count()
    left, free = [LOOPS] * scenarios, [0.0] * workers  # when each worker will be free
    queued = [0] * workers
    waiting: list[int] = []
    events = [
        (services, next(order), "asked", number, 0) for number in range(min(in_flight, scenarios))
    ]
    begun, first, last = len(events), float("inf"), 0.0
    while events:
        now, _, what, number, at = heapq.heappop(events)
        if what == "made":
            queued[at] -= 1
            left[number] -= 1
            last = now
            if left[number]:
                heapq.heappush(events, (now + services, next(order), "asked", number, 0))
            else:  # a last critique and rewrite, then the next scenario's first two questions
                begun += 1
                if begun <= scenarios:
                    asked = now + 2 * services
                    heapq.heappush(events, (asked, next(order), "asked", begun - 1, 0))
        else:
            waiting.append(number)
        while waiting and min(queued) <= ahead:
            at = min(range(workers), key=lambda one: (queued[one], free[one]))
            first = min(first, max(now, free[at]))
            free[at] = max(now, free[at]) + 1.0
            queued[at] += 1
            heapq.heappush(events, (free[at], next(order), "made", waiting.pop(0), at))
    return last - first


def scenes_of(count: int) -> list[Scenario]:
    return [Scenario(f"Dot {n} moves.", moving_clip(24), seconds=1.0, name=f"dot-{n}")
            for n in range(count)]  # fmt: skip


def row(workers: int, render: float, clips: int, in_flight: int | None, services: float) -> None:
    """One line of the table."""
    scenes = scenes_of(max(2, clips * workers // LOOPS))
    with tempfile.TemporaryDirectory() as folder:
        cluster = RayCluster(generators=workers, gpus_per_generator=1, cpus_per_generator=0,
                             in_flight=in_flight)  # fmt: skip
        sleeper = Sleeper(Path(folder))
        warm: set[str] = set()
        while len(warm) < workers:  # until each has made a clip
            run(sleeper, scenes[: 2 * workers], 0.05, on=cluster)
            warm |= set(sleeper.clips())
        _, cpu, last_begun = run(sleeper, scenes, render, services, on=cluster)
        found = [sorted(one) for one in sleeper.clips().values()]
        flight, ahead = cluster.scenarios, cluster.ahead
        cluster.close()
    made = sum(map(len, found))
    first = min(one[0][0] for one in found)
    span = max(one[-1][1] for one in found) - first
    busy = sum(
        min(ended, last_begun) - begun
        for one in found
        for begun, ended in one
        if begun < last_begun
    )
    idle = 1 - busy / workers / (last_begun - first)
    most = made / workers / ideal(workers, flight, len(scenes), ahead, services)
    print(f"{render:5g}{workers:9}{flight:11}{made:7}{span:9.1f}{made * render / workers / span:12.3f}"
          f"{most:9.3f}{idle:8.1%}{1e3 * (workers * span / made - render):8.0f}"
          f"{1e3 * cpu / len(scenes):10.0f}", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--render", type=float, nargs="+", default=[2.0], help="seconds of a clip")
    parser.add_argument("--clips", type=int, default=40, help="clips of each worker")
    parser.add_argument("--in-flight", type=int, help="scenarios in progress at once")
    parser.add_argument("--services", type=float, default=0.5, help="share of a render per loop")
    parser.add_argument("--overhead", type=int, default=60, help="scenarios without any sleep")
    options = parser.parse_args()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    here = Path(__file__).parent
    os.environ["PYTHONPATH"] = os.pathsep.join([str(here), str(here.parent)])
    import ray

    ray.init(address="local", num_cpus=2, num_gpus=max(options.workers), include_dashboard=False,
             logging_level="error", log_to_driver=False)  # fmt: skip
    print(f"Services take {options.services:g} of a render per loop; lost is per clip, CPU the "
          "driver's per scenario.")  # fmt: skip
    print(
        "    s  workers  in flight  clips  seconds  efficiency  at most    idle  lost ms    CPU ms"
    )
    for render in options.render:
        for workers in options.workers:
            row(workers, render, options.clips, options.in_flight, options.services)
    scenes = scenes_of(options.overhead)
    if scenes:
        overhead(scenes)
    ray.shutdown()


def overhead(scenes: list[Scenario]) -> None:
    """What a scenario costs when nothing sleeps."""
    cluster = RayCluster(generators=2, gpus_per_generator=1, cpus_per_generator=0)
    with tempfile.TemporaryDirectory() as folder:
        sleeper = Sleeper(Path(folder))
        run(sleeper, scenes[:4], 0.0, on=cluster)
        for name, more in (("one process", {"workers": 2}), ("cluster", {"on": cluster})):
            wall, cpu = (1e3 * it / len(scenes) for it in run(sleeper, scenes, 0.0, **more)[:2])
            print(f"{name}: {wall:.0f} ms wall, {cpu:.0f} ms CPU of the driver per scenario of "
                  f"{LOOPS} clips, nothing sleeping")  # fmt: skip
    cluster.close()


if __name__ == "__main__":
    main()
