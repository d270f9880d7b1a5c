"""What phyrefine itself costs per attempt, beside its backends, and beside bare encoding.

    python benchmarks/overhead.py --attempts 6

Backends answer at once: a generator that hands out a prepared clip of 120 frames at 1280 x 720, a
VLM and an LLM that return prepared text. What is left is phyrefine: seam check, stillness,
shrinking for the critic, prompts and replies, store, journal and results. Bare encoding is the
same clip written once as the browser's H.264, and once losslessly as the store keeps it. CPU
seconds count all threads of the process and depend less than wall time on what else runs.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from phyrefine import Scenario, SelfRefiner
from phyrefine.refine.convergence import MaxLoops
from phyrefine.select.simple import Last
from phyrefine.types import Answer, GeneratorProfile, Question, Shot, Usage
from phyrefine.video.clip import Clip

FRAMES, HEIGHT, WIDTH, FPS = 120, 720, 1280, 24.0


def film(seed: int, frames: int = FRAMES) -> Clip:
    """A textured background with sensor noise, over which a disc moves."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    background = 96 + 40 * np.sin(rows / 37 + seed) + 40 * np.cos(columns / 53)
    grain = rng.normal(0, 2, (8, HEIGHT, WIDTH))
    made = np.empty((frames, HEIGHT, WIDTH, 3), np.uint8)
    for index in range(frames):
        picture = background + grain[index % 8]
        picture[(rows - 300) ** 2 + (columns - 200 - 6 * index) ** 2 < 60**2] = 230
        made[index] = picture[..., None].clip(0, 255)
    return Clip(made, FPS)


class Prepared:
    """A generator that took no time: clips drawn before the clock runs."""

    profile = GeneratorProfile("prepared", fps=FPS)

    def __init__(self, clips: list[Clip]) -> None:
        self.clips, self.calls, self.identity = clips, 0, "prepared"

    def generate(self, shot: Shot) -> Clip:
        self.calls += 1
        return self.clips[(self.calls - 1) % len(self.clips)]


class Talker:
    """A VLM that says something new each time, and an LLM that repeats the plan; both at once."""

    def __init__(self) -> None:
        self.calls, self.identity = 0, "talker"

    def ask(self, question: Question) -> Answer:
        self.calls += 1
        if question.stage == "predict":
            said = {"scene": "", "domains": [], "events": [], "prediction": "The disc moves on."}
        elif question.stage == "critique":
            found = {"law": "Inertia", "what": "it slows", "start": 3.5, "end": None, "where": "",
                     "severity": 0.5, "confidence": 0.5}  # fmt: skip
            said = {"observed": "", "moving": True, "corrected": f"It glides on, {self.calls}.",
                    "violations": [found]}  # fmt: skip
        else:
            said = {"prompt": " ".join(map(_within, ("description", "plan"), 2 * [question.text])),
                    "negative": ""}  # fmt: skip
        return Answer(json.dumps(said), "talker", Usage(1))


def _within(tag: str, text: str) -> str:
    """The lines of a part of a question, as one paragraph."""
    inside = text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
    return " ".join(re.sub(r"^- (\(\w+\) )?", "", line) for line in inside.strip().splitlines())


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """(wall, CPU) seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def attempts(clips: list[Clip], scene: Scenario, run_dir: Path | None) -> list[tuple[float, float]]:
    """(wall, CPU) of each loop's attempt; the first also predicts."""
    refiner = SelfRefiner(Talker(), Talker(), Prepared(clips), convergence=MaxLoops(len(clips)),
                          ensemble=Last(), baseline=False, run_dir=run_dir)  # fmt: skip
    made = refiner.iterate(scene)
    return [timed(lambda: next(made)) for _ in clips]


def show(name: str, spent: list[tuple[float, float]]) -> float:
    wall, cpu = (statistics.median(part) for part in zip(*spent, strict=True))
    print(f"{name:44}{1e3 * wall:9.0f} ms wall{1e3 * cpu:9.0f} ms CPU")
    return cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--attempts", type=int, default=6)
    count = parser.parse_args().attempts
    clips = [film(seed) for seed in range(count)]
    scene = Scenario("A disc moves to the right.", film(99, 72), seconds=FRAMES / FPS)
    print(f"{FRAMES} frames of {WIDTH}x{HEIGHT}, medians of {count}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in (folder / "warm.mp4", folder / "warm.mkv"):
            clips[0].seconds(0, 0.2).write(path)
        h264 = show("bare H.264 for browsers (.mp4)", [
            timed(lambda clip=clip: clip.write(folder / "bare.mp4")) for clip in clips])  # fmt: skip
        lossless = show("bare lossless (.mkv)", [
            timed(lambda clip=clip: clip.write(folder / "bare.mkv")) for clip in clips])  # fmt: skip
        bare = show("an attempt, in memory", attempts(clips, scene, None))
        kept = show("an attempt, store and journal on", attempts(clips, scene, folder / "run"))
        again = show("the same again, all from the store", attempts(clips, scene, folder / "run"))
    print(f"CPU of an attempt with store and journal: {kept / h264:.2f} x bare H.264, "
          f"{kept / lossless:.2f} x bare lossless; in memory {bare / h264:.2f} x, "
          f"again {again / h264:.2f} x bare H.264.")  # fmt: skip


if __name__ == "__main__":
    main()
