"""What expected agreement costs: time beside bare decoding, and memory.

    python benchmarks/bench_choosing.py --clips 16 --seconds 5 --size 720 1280

Writes H.264 clips with grain, then decodes them and scores them, each in a process of its own; the
best of --rounds runs counts. Peak memory is that of the whole process, imports included.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import numpy as np


def write(folder: Path, clips: int, seconds: float, size: tuple[int, int]) -> list[Path]:
    """Moving squares over a textured, grainy ground; frames are made and encoded one by one."""
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 3, (size[0] + 64, size[1] + 64, 1))  # shifted from frame to frame
    ground = (
        rng.integers(40, 200, (size[0] // 16 + 1, size[1] // 16 + 1, 3)).repeat(16, 0).repeat(16, 1)
    )
    ground = ground[: size[0], : size[1]]
    paths = []
    for number in range(clips):
        path = folder / f"{number}.mp4"
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream("libx264", rate=24)
            stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
            stream.options = {"crf": "18", "preset": "veryfast"}
            for t in range(round(24 * seconds)):
                x, y = rng.integers(0, 64, 2)
                frame = ground + grain[y : y + size[0], x : x + size[1]]
                left, top = int(size[1] * t / 150), size[0] // 3 + 6 * number
                frame[top : top + size[0] // 6, left : left + size[1] // 12] = (220, 40, 40)
                picture = av.VideoFrame.from_ndarray(frame.clip(0, 255).astype(np.uint8), "rgb24")
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        paths.append(path)
    return paths


def decode(paths: list[Path]) -> None:
    """Every frame of every file, and nothing else."""
    for path in paths:
        with av.open(str(path)) as container:
            container.streams.video[0].thread_type = "AUTO"
            for _ in container.decode(video=0):
                pass


def score(paths: list[Path]) -> None:
    from phyrefine.select.agreement.consensus import consensus_of_files

    consensus_of_files(paths)


def timed(work: Any, paths: list[Path], results: Any) -> None:
    """Seconds of wall time and MB of memory at the peak."""
    begun = time.perf_counter()
    work(paths)
    took = time.perf_counter() - begun
    results.put((took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def alone(work: Any, paths: list[Path]) -> tuple[float, float]:
    """In a fresh process."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=timed, args=(work, paths, results))
    process.start()
    found: tuple[float, float] = results.get()
    process.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--size", type=int, nargs=2, default=(720, 1280))
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = write(Path(folder), args.clips, args.seconds, tuple(args.size))
        runs = [(alone(decode, paths), alone(score, paths)) for _ in range(args.rounds)]
    bare, scored = (min(run[which][0] for run in runs) for which in (0, 1))
    print(json.dumps({
        "clips": args.clips, "size": args.size, "decoding_s": round(bare, 2),
        "choosing_s": round(scored, 2), "ratio": round(scored / bare, 3),
        "peak_mb": round(max(run[1][1] for run in runs)),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
