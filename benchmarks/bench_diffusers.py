"""What the diffusers backend adds to calling the pipeline itself: time, peak memory, leaks.

Run it: python benchmarks/bench_diffusers.py [--model PATH_OR_ID] [--calls 15]

Without --model it takes CogVideoX's real classes with tiny random weights. Both ways make the same
frames (checked), in one process and in turn, so that a busy machine slows both. Every call has a
prompt and a prefix of its own, so that nothing is remembered, except where it says so.
"""

import argparse
import gc
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from phyrefine.backends.diffusers import CogVideoXGenerator
from phyrefine.backends.diffusers.tiny import tiny_cogvideox
from phyrefine.testing import moving_clip
from phyrefine.types import Prompt, Shot
from phyrefine.video.clip import Clip

STEPS = 10
FULL = (480, 720)


def load(model: str | None) -> CogVideoXGenerator:
    if model is not None:
        return CogVideoXGenerator.from_pretrained(model, steps=STEPS)
    pipe = tiny_cogvideox(frames=49)
    return CogVideoXGenerator(pipe, steps=STEPS)


def shot_for(generator: CogVideoXGenerator, number: int) -> Shot:
    """One pass at the pipeline's own size and rate, so that nothing but the wrapping differs."""
    size, fps = generator.spec.size, generator.spec.fps
    new = generator.spec.grid.most - 1
    prefix = Clip(np.roll(moving_clip(8, size, fps).frames, number, axis=2), fps)
    return Shot(Prompt(f"take {number}"), prefix, seconds=new / fps, fps=fps)


def direct(generator: CogVideoXGenerator, shot: Shot) -> np.ndarray:
    """The same pass by the pipeline alone."""
    made = generator.pipe(
        prompt=shot.prompt.text,
        image=shot.prefix.to_images()[-1],
        num_frames=generator.spec.grid.most,
        num_inference_steps=STEPS,
        guidance_scale=generator.spec.guidance,
        use_dynamic_cfg=True,
        max_sequence_length=generator.spec.prompt_tokens,
        generator=torch.Generator("cpu").manual_seed(shot.seed),
        output_type="np",
    ).frames[0]
    return np.rint(made[1:] * 255).astype(np.uint8)


def timed(call) -> tuple[float, object]:
    """Seconds of a call: of this process alone where the work is on the CPU, else of the clock."""
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    start = clock()
    result = call()
    return clock() - start, result


def overhead(generator: CogVideoXGenerator, calls: int) -> dict[str, float]:
    """Seconds of a call each way, and the ratio pair by pair."""
    alone, ours, again = [], [], []
    for number in range(calls + 2):
        shot = shot_for(generator, number)
        first, frames = timed(lambda shot=shot: direct(generator, shot))
        second, clip = timed(lambda shot=shot: generator.generate(shot))
        third, _ = timed(lambda shot=shot: generator.generate(shot))
        assert np.array_equal(frames, clip.frames), "the two ways made different frames"
        if number >= 2:
            alone.append(first)
            ours.append(second)
            again.append(third)
    ratios = [ours_s / alone_s for ours_s, alone_s in zip(ours, alone, strict=True)]
    return {
        "direct_s": statistics.median(alone),
        "generator_s": statistics.median(ours),
        "ratio": statistics.median(ratios),
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
        "ratio_known_prompt_and_prefix": statistics.median(
            [again_s / alone_s for again_s, alone_s in zip(again, alone, strict=True)]
        ),
    }


class Canned:
    """Stands for a pipeline of full size: answers at once, so that only our own work is timed."""

    def __init__(self, pipe, frames: np.ndarray) -> None:
        self._pipe, self._frames = pipe, frames

    def __getattr__(self, name):
        return getattr(self._pipe, name)

    def __call__(self, **_):
        return SimpleNamespace(frames=self._frames)


def own_work() -> dict[str, float]:
    """Seconds of everything but the pipeline, for CogVideoX-5B's pass: 49 frames of 480x720."""
    generator = CogVideoXGenerator(tiny_cogvideox(frames=49), size=FULL)
    noise = np.random.default_rng(0).random((1, 49, *FULL, 3), dtype=np.float32)
    generator.runner.twin = Canned(generator.runner.twin, noise)
    shot = Shot(
        Prompt("it rolls"),
        moving_clip(72, (720, 1280), 24.0),
        seconds=5.0,
        fps=24.0,
        size=(720, 1280),
    )
    times = [timed(lambda: generator.generate(shot))[0] for _ in range(3)]
    return {"seconds": min(times)}


def peak(way: str, model: str | None) -> dict[str, float]:
    """Memory of a fresh process that makes passes one way, in MiB."""
    words = [sys.executable, __file__, "--peak-of", way, *(["--model", model] if model else [])]
    out = subprocess.run(words, capture_output=True, text=True, check=True)
    return json.loads(out.stdout.splitlines()[-1])


def resident(what: str) -> float:
    """``VmRSS`` (now) or ``VmHWM`` (highest) of this process in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(what))


def peak_here(way: str, model: str | None) -> dict[str, float]:
    """Highest memory of three passes, and how far that is above what was there before them."""
    generator = load(model)
    generator.pipe.set_progress_bar_config(disable=True)
    make = direct if way == "direct" else lambda generator, shot: generator.generate(shot)
    make(generator, shot_for(generator, 0))
    gc.collect()
    if torch.cuda.is_available():
        before = torch.cuda.memory_allocated() / 2**20
        torch.cuda.reset_peak_memory_stats()
    else:
        before = resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM back to VmRSS
    for number in range(1, 4):
        make(generator, shot_for(generator, number))
    cuda = torch.cuda.is_available()
    highest = torch.cuda.max_memory_allocated() / 2**20 if cuda else resident("VmHWM")
    return {"highest": highest, "above_before": highest - before}


def leak(generator: CogVideoXGenerator, calls: int = 50) -> dict[str, float]:
    """What fifty calls leave behind, after five to warm up."""

    def state() -> tuple[int, float]:
        gc.collect()
        tensors = sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return tensors, pages * resource.getpagesize() / 2**20

    shot = shot_for(generator, 0)
    for _ in range(5):
        generator.generate(shot)
    before = state()
    for _ in range(calls):
        generator.generate(shot)
    after = state()
    return {
        "calls": calls,
        "tensors_more": after[0] - before[0],
        "resident_mib_before": before[1],
        "resident_mib_more": after[1] - before[1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="a CogVideoX image-to-video checkpoint; tiny by default")
    parser.add_argument("--calls", type=int, default=15)
    parser.add_argument("--peak-of", choices=("direct", "generator"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.peak_of:
        print(json.dumps(peak_here(asked.peak_of, asked.model)))
        return
    generator = load(asked.model)
    generator.pipe.set_progress_bar_config(disable=True)
    found = {"steps": STEPS, "frames": generator.spec.grid.most, "size": generator.spec.size}
    found["overhead"] = overhead(generator, asked.calls)
    peaks = {way: peak(way, asked.model) for way in ("direct", "generator")}
    ratio = peaks["generator"]["highest"] / peaks["direct"]["highest"]
    found["peak_mib"] = {**peaks, "ratio": ratio}
    found["leak"] = leak(generator)
    found["own_work_480x720"] = own_work()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
