"""Physics-IQ scorer: time and memory beside bare decoding, in one run.

    python benchmarks/bench_physics_iq.py --sizes 720p 1080p 4k 4k+720p --views 1

For each size it renders one scene (real takes, shipped masks, a generated clip), then runs, each in
a process of its own and on one core:

- ``bare``: every distinct file decoded once (videos to BGR), plus the mask kernels on the
  generated clip and the trip through the lossy mask file; the yardstick.
- ``plain``: the benchmark's steps in their plain order, seven full decodes a view, all frames in
  memory as float64; a stand-in for the official program, written here.
- ``cold``: ``Evaluator`` with an empty cache.  ``cached``: again, with the real side cached and a
  generated clip it has not seen.

With ``--against FOLDER`` cold and cached are run by the package of another checkout too, in turns
with this one's and with a cache of its own: before and after in one run. ``--preset`` and ``--crf``
are x264's for the generated clips; ``--preset medium --crf 22`` costs a decoder what footage does.

Times are CPU seconds of the process, which other load disturbs less than wall time; with
``--repeat`` the steps take turns, and each number is the median of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import cv2
import numpy as np

from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.physics_iq.data.decoding import BgrReader, decode
from phyrefine.physics_iq.data.layout import VIEWS, Edition, Sample
from phyrefine.physics_iq.metrics.masks import MaskFile, MotionMasker
from phyrefine.physics_iq.scoring.evaluate import Evaluator
from phyrefine.physics_iq.scoring.original import original_score
from phyrefine.physics_iq.scoring.truth import GroundTruth
from phyrefine.physics_iq.synthetic.dataset import write_mask_file

SIZES = {"720p": (720, 1280), "1080p": (1080, 1920), "4k": (2160, 3840)}
FPS, FRAMES = 30, 150
SCENE = "trimmed-bench"
MADE = {"preset": "ultrafast", "crf": "28"}  # of the generated clips


# -- clips -----------------------------------------------------------------------------------------


def render(path: Path, size: tuple[int, int], take: int, *, generated: bool = False) -> None:
    """A ball bouncing over a textured wall, with sensor noise that costs bits, as footage does."""
    height, width = size
    rng = np.random.default_rng(take)
    y, x = np.mgrid[:270, :480]
    wall = 120 + 50 * np.sin(x / 37) + 40 * np.cos(y / 23)
    wall = np.stack([wall, wall * 0.8 + 20, wall * 0.6 + 40], -1).clip(0, 255).astype(np.uint8)
    wall = cv2.resize(wall, (width, height))
    noise = [rng.normal(0, 2, (height // 2, width // 2)).astype(np.int16) for _ in range(4)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = MADE if generated else {"preset": "ultrafast", "crf": "23"}
        for t in range(FRAMES):
            frame = wall.copy()
            drop = abs(np.cos(t / (18 + generated)))
            center = (int((0.1 + 0.005 * t) * width), int(height * (0.9 - 0.6 * drop)))
            cv2.circle(frame, center, height // 12, (40, 200, 240), -1)
            grain = cv2.resize(noise[t % 4], (width, height), interpolation=cv2.INTER_NEAREST)
            frame = (frame + grain[..., None]).clip(0, 255).astype(np.uint8)
            picture = av.VideoFrame.from_ndarray(frame, format="bgr24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def build(root: Path, real: tuple[int, int], made: tuple[int, int], views: int) -> None:
    bench = root / Edition.ORIGINAL.folder
    rows = ["scenario,description,category,generated_video_name"]
    for index, view in enumerate(VIEWS[:views]):
        sample = Sample(index + 1, SCENE, view)
        for take in (1, 2):
            number = sample.number + 198 * (take - 1)
            rows.append(
                f"{number:04d}_{view}_take-{take}_{SCENE}.mp4,A ball.,Solid Mechanics,x.mp4"
            )
            video = bench / f"split-videos/testing/{FPS}FPS" / sample.testing_name(take, FPS)
            render(video, real, 10 * index + take)
            mask = sample.mask_name(take, FPS)
            write_mask_file(video, bench / f"video-masks/real/{FPS}FPS" / mask, FPS)
        for run, offset in (("run-1", 5), ("run-2", 6)):
            clip = root / run / f"{sample.name}.mp4"
            render(clip, made, 10 * index + offset, generated=True)
    (root / "descriptions.csv").write_text("\n".join(rows) + "\n")


# -- what is timed ---------------------------------------------------------------------------------


def bare(root: Path) -> dict[str, float]:
    bench = root / Edition.ORIGINAL.folder
    reader = BgrReader()
    start = time.process_time()
    for path in sorted((bench / f"video-masks/real/{FPS}FPS").iterdir()):
        for _ in decode(path):
            pass
    for path in sorted((bench / f"split-videos/testing/{FPS}FPS").iterdir()):
        for frame in decode(path):
            reader.read(frame)
    decoding = time.process_time() - start
    kernels = lossy = 0.0
    for path in sorted((root / "run-2").iterdir()):
        masker, file = MotionMasker(), MaskFile(FPS)
        frames = decode(path)
        while True:
            start = time.process_time()
            frame = next(frames, None)
            if frame is None:
                break
            bgr = reader.read(frame)
            decoded = time.process_time()
            mask = masker.push(bgr)
            masked = time.process_time()
            file.push(mask)
            lossy += time.process_time() - masked
            kernels += masked - decoded
            decoding += decoded - start
    return {"decode": decoding, "kernels": kernels, "mask_file": lossy}


def evaluator(root: Path) -> Evaluator:
    truth = GroundTruth(PhysicsIQ.open(root), FPS)
    return Evaluator(truth, cache=root / os.environ.get(CACHE, "cache"), jobs=1)


def scored(root: Path, run: str) -> dict[str, float]:
    start = time.process_time()
    table = evaluator(root).evaluate(root / run).table
    return {"score": original_score(table).score, "seconds": time.process_time() - start}


def plain(root: Path) -> dict[str, float]:
    """The steps in their plain order, for the time only."""
    start = time.process_time()
    bench = root / Edition.ORIGINAL.folder
    for sample in PhysicsIQ.open(root).samples:
        real = [
            bench / f"split-videos/testing/{FPS}FPS" / sample.testing_name(k, FPS) for k in (1, 2)
        ]
        mask = [bench / f"video-masks/real/{FPS}FPS" / sample.mask_name(k, FPS) for k in (1, 2)]
        clip = root / "run-2" / f"{sample.name}.mp4"
        made = root / "plain-masks" / clip.name
        write_mask_file(clip, made, FPS)
        height, width = next(_bgr(real[0])).shape[:2]
        for _ in _bgr(real[0]):  # once more, only to learn the size
            pass
        size = (width // 4, height // 4)
        clips = [_quarter(path, size) for path in (*real, clip)]
        masks = [_quarter(path, size) > 127 / 255 for path in (*mask, made)]
        for a, b in ((0, 2), (1, 2), (0, 1)):
            for x, y, p, q in zip(clips[a], clips[b], masks[a], masks[b], strict=True):
                np.mean((x.astype(np.float32) - y.astype(np.float32)) ** 2)
                (p & q).sum() / max(1, (p | q).sum())
            np.minimum(masks[a].mean(0), masks[b].mean(0)).sum()
            np.maximum(masks[a].mean(0), masks[b].mean(0)).sum()
    shutil.rmtree(root / "plain-masks")
    return {"seconds": time.process_time() - start}


def _bgr(path: Path):
    reader = BgrReader()
    return (reader.read(frame) for frame in decode(path))


def _quarter(path: Path, size: tuple[int, int]) -> np.ndarray:
    return np.stack([cv2.resize(frame, size) / 255.0 for frame in _bgr(path)])


def peak_mb() -> float:
    """Peak RSS of this program alone: getrusage would add the parent's at the fork."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise OSError("no VmHWM in /proc/self/status: this script needs Linux")


CACHE = "BENCH_CACHE"  # variable: name of the cache folder
STEPS = {
    "bare": bare,
    "plain": plain,
    "cold": lambda root: scored(root, "run-1"),
    "cached": lambda root: scored(root, "run-2"),
}


def in_own_process(step: str, root: Path, against: Path | None = None) -> dict[str, float]:
    command = [sys.executable, __file__, "--step", step, "--root", str(root)]
    others = {} if against is None else {"PYTHONPATH": str(against), CACHE: "cache-before"}
    environment = {**os.environ, **others}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout)


def measured(
    steps: list[str], root: Path, repeat: int, against: Path | None
) -> dict[str, dict[str, float]]:
    """Each step's facts, the median of its turns."""
    before = [step for step in steps if step in ("cold", "cached") and against is not None]
    turns: dict[str, list[dict[str, float]]] = {step: [] for step in steps}
    turns |= {f"{step} before": [] for step in before}
    for _ in range(repeat):
        for name in ("cache", "cache-before"):
            shutil.rmtree(root / name, ignore_errors=True)
        for step in steps:
            turns[step].append(in_own_process(step, root))
            if step in before:
                turns[f"{step} before"].append(in_own_process(step, root, against))
    return {
        step: {key: statistics.median(facts[key] for facts in seen) for key in seen[0]}
        for step, seen in turns.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["720p", "1080p", "4k", "4k+720p"])
    parser.add_argument("--views", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--skip", nargs="*", default=[], choices=list(STEPS))
    parser.add_argument("--step", choices=list(STEPS))
    parser.add_argument("--root", type=Path)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--preset", default=MADE["preset"])
    parser.add_argument("--crf", default=MADE["crf"])
    args = parser.parse_args()
    MADE.update(preset=args.preset, crf=args.crf)
    cv2.setNumThreads(1)
    if args.step:
        facts = STEPS[args.step](args.root)
        print(json.dumps({**facts, "peak_mb": peak_mb()}))
        return
    print(
        f"Python {platform.python_version()}, PyAV {av.__version__}, OpenCV {cv2.__version__}, "
        f"NumPy {np.__version__}, {platform.processor() or platform.machine()}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {args.views} view(s), CPU seconds, median of {args.repeat}"
    )
    for name in args.sizes:
        real, _, made = name.partition("+")
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            build(root, SIZES[real], SIZES[made or real], args.views)
            size = next((root / "run-2").iterdir()).stat().st_size
            print(f"\nA generated clip of {name} has {size / 2**20:.2f} MB.", flush=True)
            steps = [step for step in STEPS if step not in args.skip]
            rows = measured(steps, root, args.repeat, args.against)
        report(name, rows)


def report(name: str, rows: dict[str, dict[str, float]]) -> None:
    bare = rows["bare"]
    kernels = bare["decode"] + bare["kernels"]
    whole = kernels + bare["mask_file"]
    print(
        f"\n{name}: bare decode {bare['decode']:.2f} + mask kernels {bare['kernels']:.2f} + mask "
        f"file {bare['mask_file']:.2f} = {whole:.2f} s, peak {bare['peak_mb']:.0f} MB"
    )
    for step, facts in rows.items():
        if step == "bare":
            continue
        seconds = facts["seconds"]
        line = f"  {step:14}{seconds:7.2f} s, peak {facts['peak_mb']:5.0f} MB"
        line += f", {seconds / whole:.2f} x bare ({seconds / kernels:.2f} x without mask file)"
        if "plain" in rows and step != "plain":
            line += f", plain takes {rows['plain']['seconds'] / seconds:.1f} x as long"
        if f"{step} before" in rows:
            line += f", {rows[f'{step} before']['seconds'] / seconds:.2f} x less than before"
        print(line, flush=True)


if __name__ == "__main__":
    main()
