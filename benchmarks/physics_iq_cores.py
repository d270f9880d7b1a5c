"""All views of Physics-IQ: wall time against views at a time, and memory.

    python benchmarks/physics_iq_cores.py --size 360 640 --jobs 1 2 --repeat 2

One scene is rendered from three cameras and copied to 66 scenes; each copy has other bytes behind
its last frame, so that nothing is taken for the same file. Each number of jobs is timed in a process
of its own, in turns, without a cache folder: every file is decoded. Memory is the largest resident
set of each process that worked, as Linux keeps it (VmHWM).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import bench_physics_iq as one_view
import cv2

from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.physics_iq.data.layout import SAMPLES, VIEWS, Edition, Sample
from phyrefine.physics_iq.scoring.evaluate import Evaluator
from phyrefine.physics_iq.scoring.original import original_score
from phyrefine.physics_iq.scoring.truth import GroundTruth

FPS = one_view.FPS


def build(root: Path, size: tuple[int, int], views: int) -> None:
    """A data set of so many views, from three that are rendered."""
    made = root / "made"
    one_view.build(made, size, size, len(VIEWS))
    source = made / Edition.ORIGINAL.folder
    target = root / Edition.ORIGINAL.folder
    rows = ["scenario,description,category,generated_video_name"]
    for index in range(views):
        view = VIEWS[index % 3]
        old = Sample(index % 3 + 1, one_view.SCENE, view)
        new = Sample(index + 1, f"trimmed-bench-{index // 3}", view)
        for take in (1, 2):
            for kind, name in (
                ("split-videos/testing", "testing_name"),
                ("video-masks/real", "mask_name"),
            ):
                parts = [base / kind / f"{FPS}FPS" / getattr(sample, name)(take, FPS)
                         for base, sample in ((source, old), (target, new))]  # fmt: skip
                copied(*parts, index)
            number = new.number + SAMPLES * (take - 1)
            rows.append(f"{number:04d}_{view}_take-{take}_{new.scene}.mp4,A ball.,Optics,x.mp4")
        copied(made / "run-1" / f"{old.name}.mp4", root / "run" / f"{new.name}.mp4", index)
    (root / "descriptions.csv").write_text("\n".join(rows) + "\n")


def copied(source: Path, target: Path, number: int) -> None:
    """A copy with an empty box of its own at the end, which players pass over."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(
        source.read_bytes() + (12).to_bytes(4, "big") + b"free" + number.to_bytes(4, "big")
    )


def timed(root: Path, jobs: int) -> dict[str, float]:
    """Score all views; gives seconds, CPU seconds and the memory of a worker."""
    evaluator = Evaluator(GroundTruth(PhysicsIQ.open(root), FPS), jobs=jobs)
    peaks: dict[int, float] = {}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            for pid in (os.getpid(), *children(os.getpid())):
                if peak := peak_mb(pid):
                    peaks[pid] = peak

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    table = evaluator.evaluate(root / "run", check=False).table
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    used = os.times()
    cpu = used.user + used.system + used.children_user + used.children_system
    workers = {pid: peak for pid, peak in peaks.items() if pid != os.getpid()}
    return {
        "score": original_score(table).score,
        "seconds": seconds,
        "cpu": cpu,
        "own_mb": peaks[os.getpid()],
        "worker_mb": max(workers.values(), default=0.0),
        "processes": len(workers),
    }


def children(pid: int) -> list[int]:
    """Processes that a process started."""
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in found for child in path.read_text().split()]


def peak_mb(pid: int) -> float | None:
    """Largest resident set of a process so far; ``None`` when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", nargs=2, type=int, default=(360, 640))
    parser.add_argument("--views", type=int, default=SAMPLES)
    parser.add_argument("--jobs", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--root", type=Path)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.root is not None:
        print(json.dumps(timed(args.root, args.jobs[0])))
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        build(root, tuple(args.size), args.views)
        turns: dict[int, list[dict[str, float]]] = {jobs: [] for jobs in args.jobs}
        for _ in range(args.repeat):
            for jobs, seen in turns.items():
                command = [sys.executable, __file__, "--root", folder, "--jobs", str(jobs)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                seen.append({**json.loads(done.stdout), "load": os.getloadavg()[0]})
    print(
        f"{args.views} views of {args.size[1]}x{args.size[0]}, {os.cpu_count()} cores, median of {args.repeat}"
    )
    for jobs, seen in turns.items():
        facts = {key: statistics.median(turn[key] for turn in seen) for key in seen[0]}
        print(
            f"  {jobs} at a time: {facts['seconds']:.1f} s ({facts['cpu']:.1f} CPU s), score "
            f"{facts['score']:.2f}; this process {facts['own_mb']:.0f} MB, {facts['processes']:.0f} "
            f"others of at most {facts['worker_mb']:.0f} MB; load {facts['load']:.1f}"
        )


if __name__ == "__main__":
    main()
