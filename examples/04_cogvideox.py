"""CogVideoX-5B image-to-video, refined: the loop of the paper around a diffusers pipeline.

With --tiny it runs anywhere in a minute: diffusers' real CogVideoX classes with random weights and
the embedded critic, so the frames are noise but the real model runs the same lines.
Without it the published weights are loaded from the Hugging Face hub (CogVideoX License, about
20 GB), which wants a GPU: 12 GB with --memory balanced by a rule of thumb, see "phyrefine doctor
--generator diffusers:THUDM/CogVideoX-5b-I2V". The real weights were not run by the authors of this
example.

It needs the extras: pip install ".[demo,diffusers]" in a checkout.
Run it: python examples/04_cogvideox.py [folder] --tiny
        python examples/04_cogvideox.py [folder] --video falling.mp4 --description "A ball falls."
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from phyrefine import Clip, Refinement, Scenario, SelfRefiner, report
from phyrefine.backends.diffusers import CogVideoXGenerator
from phyrefine.backends.diffusers.tiny import tiny_cogvideox
from phyrefine.errors import MissingDependencyError

MODEL = "THUDM/CogVideoX-5b-I2V"


def falling_ball(seconds: float = 3.0, fps: float = 24.0) -> Clip:
    """A film of a ball in free fall: the prefix when no --video is given."""
    rows, columns = np.mgrid[:90, :160]
    frames = np.full((round(seconds * fps), 90, 160, 3), (214, 206, 190), np.uint8)
    frames[:, 76:] = (110, 88, 66)
    for index, frame in enumerate(frames):
        time = index / fps
        away = np.hypot(rows - (10 + 6 * time**2), columns - (30 + 25 * time))
        frame[away < 6] = (190, 40, 40)
    return Clip(frames, fps)


def generator(*, tiny: Path | None, memory: str) -> CogVideoXGenerator:
    """The published weights, or a tiny CogVideoX saved to a folder and loaded like them."""
    if tiny is None:
        return CogVideoXGenerator.from_pretrained(MODEL, memory=memory)
    tiny_cogvideox().save_pretrained(tiny)
    return CogVideoXGenerator.from_pretrained(str(tiny), memory=memory, steps=2)


def main(words: Sequence[str] | None = None) -> Refinement:
    """Refine one scenario and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs/cogvideox"))
    parser.add_argument("--tiny", action="store_true", help="random weights, on any machine")
    parser.add_argument("--video", type=Path, help="the prefix; its last frame is continued")
    parser.add_argument("--description", default="A red ball falls towards a floor.")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--vlm", default="world", help="for real videos: gemini, openai, ...")
    parser.add_argument("--llm", default="world")
    parser.add_argument("--memory", default="fast", choices=("fast", "balanced", "tight"))
    asked = parser.parse_args(words)

    prefix = Clip.read(asked.video) if asked.video else falling_ball()
    scenario = Scenario(asked.description, prefix, seconds=asked.seconds, name="cogvideox")
    cogvideox = generator(tiny=asked.folder / "tiny" if asked.tiny else None, memory=asked.memory)
    # Run the same command again after a crash: finished chunks are read, not made again.
    refiner = SelfRefiner(asked.vlm, asked.llm, cogvideox, run_dir=asked.folder / "run")
    refinement = refiner.refine(scenario)
    print(report.attempts_table(refinement))
    print(f"Stopped: {refinement.reason}. Prompt chosen: {refinement.prompt.text}")
    print(f"Open {report.write(refinement, asked.folder / 'report.html')}")
    return refinement


if __name__ == "__main__":
    try:
        main()
    except MissingDependencyError as missing:
        sys.exit(str(missing))
