"""kill -9 of workers, machines and drivers at random: the result must be that of one process.

    python benchmarks/cluster_kills.py FOLDER --scenarios 64 --candidates 4 --kills 20

Several raylets stand on this machine, a driver refines on them with the embedded world, and a
third process kills: a worker that holds the generator, any other process of Ray's workers, a whole
raylet (a new one then joins), or the driver (it is started again with the same command). At the end
every file of results is compared, byte by byte, with a run in one process without Ray, and chunks
that were made twice are counted from the generator's own log.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from phyrefine import RayCluster, SelfRefiner
from phyrefine.cli.demo_scenes import demo_scenes
from phyrefine.refine.convergence import MaxLoops
from phyrefine.types import Candidates, Chunk, Scenario, Shot
from phyrefine.world.generator import WorldGenerator

HERE = Path(__file__).parent
KINDS = ("worker", "other", "raylet", "driver")
SECONDS = 2.0


@attrs.frozen
class Logged:
    """The world's generator with a line for each chunk it begins and ends."""

    log: str
    inner: WorldGenerator = attrs.field(factory=WorldGenerator)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)

    def generate(self, shot: Shot) -> Any:
        made = [*shot.accepted, *(chunk.clip for chunk in self.stream(shot))]
        return self.inner.deliver(shot, made)

    def stream(self, shot: Shot) -> Iterator[Chunk]:
        clip = digest_of(shot)
        chunks = self.inner.stream(shot)
        for index in range(len(shot.accepted), round(SECONDS)):
            note(self.log, f"begin {clip} {index} {os.getpid()}")
            yield next(chunks)


def digest_of(shot: Shot) -> str:
    """The same in every process for the same clip."""
    prefix = "" if shot.prefix is None else shot.prefix.digest
    whole = f"{shot.prompt.text} {shot.seed} {shot.steps} {prefix}"
    return hashlib.blake2b(whole.encode(), digest_size=8).hexdigest()


def note(log: str, line: str) -> None:
    """Append a line by one system call, so that it survives a kill."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, (line + "\n").encode())
    os.close(file)


def make(log: str) -> Logged:
    """What workers load by name."""
    import torch

    torch.set_num_threads(1)
    return Logged(log)


def scenes(count: int) -> list[Scenario]:
    kinds = ("drop", "collision", "projectile", "pendulum")
    return [
        attrs.evolve(sample.scenario, seconds=SECONDS, name=f"scene-{number}")
        for number, sample in enumerate(demo_scenes(kinds, count, 0))
    ]


def drive(folder: Path, address: str | None, scenarios: int, candidates: int) -> None:
    """Refine all scenes; on a cluster where there is an address."""
    log = str(folder / "calls.log")
    settings: dict[str, Any] = {
        "convergence": MaxLoops(1),
        "candidates": Candidates(steps=(2,), seeds=tuple(range(candidates))),
        "run_dir": folder / "run",
    }
    if address is None:
        SelfRefiner("world", "world", make(log), **settings).refine_many(scenes(scenarios))
        return
    with RayCluster(address, generators=2, cpus_per_generator=1) as cluster:
        there = cluster.generator(f"cluster_kills:make?log={log}")
        refiner = SelfRefiner("world", "world", there, **settings)
        refined = refiner.refine_many(scenes(scenarios), on=cluster)
    bad = [one for one in refined if one.stopped_by != "loop_limit"]
    for one in bad:
        print(f"{one.scenario.name}: {one.stopped_by}: {one.reason}", flush=True)
    raise SystemExit(3 if bad else 0)


def outcomes(folder: Path) -> dict[str, bytes]:
    """Every byte of what came out, by file; what it took is apart."""
    root = folder / "run" / "scenarios"
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*"))
            if path.is_file() and path.name != "usage.json"}  # fmt: skip


class Hand:
    """Starts raylets and the driver, and kills them."""

    def __init__(self, folder: Path, words: list[str], seed: int) -> None:
        from ray.cluster_utils import Cluster

        self.folder, self.words, self.chance = folder, words, random.Random(seed)
        self.log = folder / "calls.log"
        self.cluster = Cluster(initialize_head=True, head_node_args={
            "num_cpus": 0, "include_dashboard": False})  # fmt: skip
        self.nodes = [self.add() for _ in range(2)]
        self.driver = self.start()
        self.starts = 1

    def add(self) -> Any:
        return self.cluster.add_node(num_cpus=1, include_dashboard=False)

    def start(self) -> subprocess.Popen[bytes]:
        words = [sys.executable, __file__, str(self.folder), "--drive", self.cluster.address]
        with (self.folder / "driver.log").open("ab") as told:
            return subprocess.Popen([*words, *self.words], stdout=told, stderr=told)

    def heal(self) -> None:
        """A raylet ends with the agents beside it: another machine joins for each that is gone."""
        gone = [node for node in self.nodes if not alive(node)]
        for node in gone:
            self.nodes.remove(node)
            self.cluster.remove_node(node, allow_graceful=False)
            self.nodes.append(self.add())

    def end(self, most: float = 1800.0) -> int:
        """Let the driver finish; gives its exit code."""
        until = time.monotonic() + most
        while self.driver.poll() is None and time.monotonic() < until:
            self.heal()
            time.sleep(0.5)
        return self.driver.wait(1)

    def lines(self) -> int:
        return self.log.read_bytes().count(b"\n") if self.log.exists() else 0

    def wait_for_work(self, most: float = 120.0) -> bool:
        """Until a few more chunks were begun; ``False`` when the driver has ended."""
        wanted, until = self.lines() + self.chance.randrange(1, 9), time.monotonic() + most
        while self.lines() < wanted and time.monotonic() < until:
            if self.driver.poll() is not None:
                return False
            self.heal()
            time.sleep(0.05)
        time.sleep(self.chance.uniform(0.0, 0.3))
        return self.driver.poll() is None

    def kill(self, kind: str) -> None:
        import psutil

        note(str(self.log), f"kill {kind}")
        if kind == "driver":
            self.driver.send_signal(signal.SIGKILL)
            self.driver.wait()
            self.driver = self.start()
            self.starts += 1
        elif kind == "raylet":
            node = self.nodes.pop(self.chance.randrange(len(self.nodes)))
            self.cluster.remove_node(node, allow_graceful=False)
            self.nodes.append(self.add())
        else:
            owners = {int(line.split()[3]) for line in self.log.read_text().splitlines()
                      if line.startswith("begin")}  # fmt: skip
            found = [
                child.pid
                for node in self.nodes
                for raylet in node.all_processes.get("raylet", [])
                for child in psutil.Process(raylet.process.pid).children(recursive=True)
                if (child.pid in owners) == (kind == "worker") and "ray::" in child.name()
            ]
            if found:
                os.kill(self.chance.choice(found), signal.SIGKILL)

    def close(self) -> None:
        if self.driver.poll() is None:
            self.driver.kill()
            self.driver.wait()
        self.cluster.shutdown()


def alive(node: Any) -> bool:
    """Whether the raylet of a node runs."""
    return all(one.process.poll() is None for one in node.all_processes.get("raylet", []))


def repeated(log: Path) -> tuple[int, int, int]:
    """Chunks begun, chunks begun again, and clips that had a chunk begun again."""
    begun: set[str] = set()
    again: list[str] = []
    for line in log.read_text().splitlines():
        if line.startswith("begin"):
            chunk = " ".join(line.split()[1:3])
            again += [chunk] if chunk in begun else []
            begun.add(chunk)
    return len(begun), len(again), len({chunk.split()[0] for chunk in again})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenarios", type=int, default=64)
    parser.add_argument("--candidates", type=int, default=4)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--drive", metavar="ADDRESS", help="be the driver")
    options = parser.parse_args()
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1",
                   "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)])}  # fmt: skip
    if options.drive:
        drive(options.folder, options.drive, options.scenarios, options.candidates)
        return
    alone, folder = options.folder / "alone", options.folder / "killed"
    for made in (alone, folder):
        made.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    drive(alone, None, options.scenarios, options.candidates)
    print(f"one process: {time.monotonic() - begun:.0f} s", flush=True)
    words = ["--scenarios", str(options.scenarios), "--candidates", str(options.candidates)]
    begun, kills = time.monotonic(), dict.fromkeys(KINDS, 0)
    hand = Hand(folder, words, options.seed)
    try:
        for number in range(options.kills):
            if not hand.wait_for_work():
                break
            kind = KINDS[number % len(KINDS)]
            hand.kill(kind)
            kills[kind] += 1
        code = hand.end()
    finally:
        hand.close()
    chunks, again, clips = repeated(folder / "calls.log")
    in_flight = sum(kills.values()) * 2 * 2  # two workers, each with one clip and one ahead
    print(f"killed {kills}, {hand.starts} starts of the driver, {time.monotonic() - begun:.0f} s")
    print(f"{chunks} chunks; {again} made again, of {clips} clips; at most {in_flight} clips were "
          "in flight at the kills")  # fmt: skip
    equal = outcomes(alone) == outcomes(folder)
    print(f"{len(outcomes(alone))} result files, {'all equal' if equal else 'NOT EQUAL'}")
    raise SystemExit(code if equal and clips <= in_flight else code or 1)


if __name__ == "__main__":
    main()
