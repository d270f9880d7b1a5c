"""A video generator of your own in one file, refined by the loop.

The generator below knows nothing but how to move what moved in the prefix. It responds to a few
words of the prompt, as a real model responds to many, so better prompts give better videos. The
critic and the rewriter are the embedded ones: no GPU, no keys, no download.

Run it: python examples/02_own_backend.py [folder]
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phyrefine import Clip, GeneratorProfile, Scenario, SelfRefiner, Shot, report
from phyrefine.registry import Backend
from phyrefine.testing import check_generator
from phyrefine.video import deliver

FPS = 8.0
Array = NDArray[np.float64]


class Mover:
    """Cuts out what moves in the prefix and moves it on.

    Everything a backend must offer is here: an ``identity`` that changes whenever its output
    would, a ``profile`` that says what it can do, and ``generate``.
    """

    identity = "mover:1"
    profile = GeneratorProfile("mover", fps=FPS, prompt_words=60)

    def generate(self, shot: Shot) -> Clip:
        """New frames only, at the model's own rate; ``deliver`` makes them what was asked for."""
        assert shot.prefix is not None, "this model continues videos only"
        prefix = shot.prefix.resample(FPS).frames
        empty = np.median(prefix, axis=0)
        masks = np.abs(prefix - empty).sum(axis=3) > 60
        path = [np.argwhere(mask).mean(axis=0) for mask in masks if mask.any()]
        if len(path) < 2:
            path = [np.zeros(2)] * 2
        piece = np.argwhere(masks[-1])
        colors = prefix[-1][tuple(piece.T)]
        noise = np.random.default_rng(shot.seed)
        frames = []
        for place in self.places(shot, path[-1], path[-1] - path[-2], floor=0.78 * len(empty)):
            frame = empty + noise.normal(0, 1.5, empty.shape)
            to = np.round(piece + place - path[-1]).astype(int)
            inside = ((to >= 0) & (to < empty.shape[:2])).all(axis=1)
            frame[tuple(to[inside].T)] = colors[inside]
            frames.append(frame)
        native = Clip(np.clip(frames, 0, 255).astype(np.uint8), FPS, source="mover")
        return deliver(native, frames=shot.frames, fps=shot.fps, size=shot.size)

    def places(self, shot: Shot, place: Array, speed: Array, floor: float) -> Iterator[Array]:
        """Where the thing is in each new frame: what the prompt's words do."""
        words = shot.prompt.text.lower()
        gravity = 0.94  # pixels per frame per frame, as the prefix shows it
        kept = 0.8 if any(word in words for word in ("bounce", "rebound")) else 0.0
        for _ in range(max(1, round(shot.seconds * FPS))):
            speed = speed + np.array([gravity, 0.0])
            place = place + speed
            if place[0] > floor and speed[0] > 0:
                place, speed = np.array([floor, place[1]]), speed * (-kept, 1.0)
            yield place


# Put this line's target into the entry-point group "phyrefine.backends" of your package and
# everybody can say generator="mover".
BACKEND = Backend("mover", "moves on what moved", generator=lambda *_: Mover())


def falling_ball(seconds: float = 1.25, fps: float = 24.0) -> Clip:
    """A film of a ball in free fall over a floor: the prefix."""
    rows, columns = np.mgrid[:96, :96]
    frames = np.full((round(seconds * fps), 96, 96, 3), (214, 206, 190), np.uint8)
    frames[:, 80:] = (110, 88, 66)
    for index, frame in enumerate(frames):
        time = index / fps
        away = np.hypot(rows - (12 + 30 * time**2), columns - (9 + 24 * time))
        frame[away < 6] = (190, 40, 40)
    return Clip(frames, fps)


def main(folder: Path) -> None:
    """Check the contract, refine one scenario, write the report."""
    check_generator(Mover())
    scenario = Scenario(
        "A red ball falls towards a floor.", falling_ball(), seconds=2.0, name="own-backend"
    )
    refinement = SelfRefiner("world", "world", Mover(), run_dir=folder / "run").refine(scenario)
    print(report.attempts_table(refinement))
    print(f"Stopped: {refinement.reason}. Chosen: {refinement.choice.reason}.")
    print(f"Open {report.write(refinement, folder / 'report.html')}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/own-backend"))
