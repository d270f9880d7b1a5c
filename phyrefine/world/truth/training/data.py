"""Training data: scenes rendered once into shards of 8-fps clips that training maps into memory."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Literal

import attrs
import numpy as np

from phyrefine._atomic import written_aside
from phyrefine.world.generator.network import FPS, FRAMES, HEIGHT, WIDTH
from phyrefine.world.truth.captions.captions import Caption, sample_caption
from phyrefine.world.truth.physics.mistakes import MISTAKES, can_err
from phyrefine.world.truth.physics.rendering import CAMERAS, Frames, render
from phyrefine.world.truth.physics.scene import KINDS, Scene, sample_scene
from phyrefine.world.truth.physics.trajectory import CLIP_SECONDS, SEAM_SECONDS
from phyrefine.world.truth.scenes import simulate

Physics = Literal["right", "wrong"]

# Clips of wrong physics come from training seeds that no clip of right physics uses.
_FIRST_SEED: dict[Physics, int] = {"right": 0, "wrong": 500_000}
_FINE = 6
_START = round(SEAM_SECONDS * FPS) - FRAMES


@attrs.frozen
class Example:
    """What a training clip shows: enough to caption it anew at every step."""

    kind: str
    seed: int
    unsaid: frozenset[str]

    def scene(self) -> Scene:
        """The scene it was rendered from."""
        return sample_scene(self.kind, self.seed)


def make_clip(seed: int, physics: Physics) -> tuple[Frames, Example]:
    """Simulate and render one training clip.

    Args:
        seed: Scene seed; also decides kind, camera and take.
        physics: ``"wrong"`` spoils the motion after the seam.

    Returns:
        uint8 ``[48, 48, 64, 3]`` (8 context frames, then 5 s at 8 fps) and what it shows.
    """
    rng = np.random.default_rng([seed, 11])
    shares = {name: kind.training_share for name, kind in KINDS.items()}
    if physics == "wrong":
        shares = {name: share for name, share in shares.items() if name in MISTAKES}
    names = list(shares)
    weights = np.array([shares[name] for name in names])
    scene = sample_scene(str(rng.choice(names, p=weights / weights.sum())), seed)
    take = int(rng.integers(1, 3))
    trajectory = simulate(scene, take, CLIP_SECONDS, FPS * _FINE)
    unsaid: frozenset[str] = frozenset()
    if physics == "wrong" and can_err(scene):
        mistakes = MISTAKES[scene.kind]
        mistake = mistakes[int(rng.integers(len(mistakes)))]
        trajectory, unsaid = mistake.edit(trajectory, rng), mistake.unsaid
    coarse = trajectory.every(_FINE, start=_START * _FINE)
    camera = CAMERAS[int(rng.integers(len(CAMERAS)))]
    return render(coarse, (WIDTH, HEIGHT), camera), Example(scene.kind, seed, unsaid)


def write_shard(folder: Path, physics: Physics, number: int, clips: int) -> Path:
    """Render a shard of ``clips`` clips; an existing one is left alone."""
    path = folder / f"{physics}-{number:03d}.npy"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    first = _FIRST_SEED[physics] + number * clips
    made = [make_clip(seed, physics) for seed in range(first, first + clips)]
    rows = [f"{shown.kind} {shown.seed} {','.join(sorted(shown.unsaid))}" for _, shown in made]
    path.with_suffix(".txt").write_text("\n".join(rows), encoding="utf-8")
    with written_aside(path) as aside:
        np.save(aside, np.stack([frames for frames, _ in made]))
    return path


class Shards:
    """All finished shards of one kind of physics in a folder."""

    def __init__(self, folder: Path, physics: Physics) -> None:
        self.physics = physics
        self._folder = folder
        self._frames: list[Frames] = []
        self._shown: list[list[Example]] = []
        self.refresh()

    def refresh(self) -> None:
        """Take in shards finished since."""
        paths = sorted(self._folder.glob(f"{self.physics}-*.npy"))
        for path in paths[len(self._frames) :]:
            self._frames.append(np.load(path, mmap_mode="r"))
            lines = path.with_suffix(".txt").read_text(encoding="utf-8").split("\n")
            self._shown.append([_parse(line) for line in lines])

    def __len__(self) -> int:
        return sum(len(frames) for frames in self._frames)

    def draw(self, rng: np.random.Generator) -> tuple[Frames, Example]:
        """One clip uint8 ``[48, H, W, 3]`` and what it shows."""
        shard = int(rng.integers(len(self._frames)))
        row = int(rng.integers(len(self._frames[shard])))
        return self._frames[shard][row], self._shown[shard][row]


def _parse(line: str) -> Example:
    kind, seed, unsaid = line.split(" ", 2)
    return Example(kind, int(seed), frozenset(unsaid.split(",")) - {""})


def caption(example: Example, rng: np.random.Generator, plain: float) -> Caption:
    """A fresh truthful caption; ``plain`` is the share of captions without any cue."""
    return sample_caption(example.scene(), rng, example.unsaid, plain=plain)


def main() -> None:
    """Render shards from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--physics", choices=("right", "wrong"), default="right")
    parser.add_argument("--shards", type=int, default=10)
    parser.add_argument("--clips", type=int, default=500)
    asked = parser.parse_args()
    for number in range(asked.shards):
        write_shard(asked.folder, asked.physics, number, asked.clips)


if __name__ == "__main__":
    main()
