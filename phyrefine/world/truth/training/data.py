"""Training data: scenes rendered once into shards, with a choice of captions for every clip.

    python -m phyrefine.world.truth.training.data --folder DATA --part right --shards 14

A shard is three files: ``.npy`` (frames), ``.npz`` (captions as numbers) and ``.jsonl`` (what
each clip shows). Clips of the parts ``held_right`` and ``held_wrong`` come from test seeds; their
loss tells when training stops to help.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from pathlib import Path
from typing import Any, Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from phyrefine._atomic import write_bytes, written_aside
from phyrefine.world.generator.network import FPS, FRAMES, HEIGHT, MAX_WORDS, WIDTH
from phyrefine.world.truth.captions.captions import Caption, sample_caption
from phyrefine.world.truth.captions.moments import CHUNKS, topics_by_second
from phyrefine.world.truth.captions.vocabulary import TOPIC_INDEX, tokenizer
from phyrefine.world.truth.physics.mistakes import (
    MISTAKES,
    Planted,
    can_err,
    draw_mistake,
    plant,
)
from phyrefine.world.truth.physics.rendering import CAMERAS, Frames, render
from phyrefine.world.truth.physics.scene import KINDS, Scene, sample_scene
from phyrefine.world.truth.physics.trajectory import CLIP_SECONDS, SEAM_SECONDS, Trajectory
from phyrefine.world.truth.scenes import simulate

Part = Literal["right", "wrong", "held_right", "held_wrong"]
PARTS: tuple[Part, ...] = ("right", "wrong", "held_right", "held_wrong")

# No two parts share a seed; the held-out ones are test seeds.
_FIRST_SEED: dict[Part, int] = {
    "right": 0,
    "wrong": 500_000,
    "held_right": 1_900_000,
    "held_wrong": 1_950_000,
}
_FINE = 6
_START = round(SEAM_SECONDS * FPS) - FRAMES

# Caption rows of a clip: without any cue, of the whole clip, and of each second.
PLAIN_ROWS, WHOLE_ROWS, SECOND_ROWS = 4, 8, 3
ROWS = PLAIN_ROWS + WHOLE_ROWS + CHUNKS * SECOND_ROWS


@attrs.frozen
class Example:
    """What a training clip shows: enough to caption it.

    Args:
        kind: Kind of scene.
        seed: Scene seed.
        planted: The mistake in it, or ``None`` for right physics.
        seconds: The topics true in each second after the seam.
    """

    kind: str
    seed: int
    planted: Planted | None
    seconds: tuple[tuple[str, ...], ...]

    def scene(self) -> Scene:
        """The scene it was rendered from."""
        return sample_scene(self.kind, self.seed)

    @property
    def unsaid(self) -> frozenset[str]:
        """Topics that no caption of the whole clip may state."""
        return frozenset() if self.planted is None else self.planted.unsaid


def make_clip(seed: int, part: Part) -> tuple[Frames, Example]:
    """Simulate and render one training clip.

    Args:
        seed: Scene seed; also decides kind, camera, take and mistake.
        part: The wrong parts spoil the motion after the seam.

    Returns:
        uint8 ``[48, 48, 64, 3]`` (8 context frames, then 5 s at 8 fps) and what it shows.
    """
    rng = np.random.default_rng([seed, 11])
    wrong = part in ("wrong", "held_wrong")
    names = [name for name in KINDS if not wrong or name in MISTAKES]
    weights = np.array([KINDS[name].training_share for name in names])
    scene = sample_scene(str(rng.choice(names, p=weights / weights.sum())), seed)
    take = int(rng.integers(1, 3))
    trajectory, planted, seconds = _play(scene, take, wrong, rng)
    coarse = trajectory.every(_FINE, start=_START * _FINE)
    camera = CAMERAS[int(rng.integers(len(CAMERAS)))]
    frames = render(coarse, (WIDTH, HEIGHT), camera)
    return frames, Example(scene.kind, seed, planted, seconds)


def _play(
    scene: Scene, take: int, wrong: bool, rng: np.random.Generator
) -> tuple[Trajectory, Planted | None, tuple[tuple[str, ...], ...]]:
    if not (wrong and can_err(scene)):
        right = simulate(scene, take, CLIP_SECONDS, FPS * _FINE)
        return right, None, topics_by_second(right)
    mistake = draw_mistake(scene, rng)
    right = simulate(scene, take, mistake.seconds, FPS * _FINE)
    spoiled, planted = plant(right, mistake, rng)
    seconds = topics_by_second(right.before(CLIP_SECONDS))
    told = [
        tuple(name for name in true if index + 1 <= planted.start or name not in planted.unsaid)
        for index, true in enumerate(seconds)
    ]
    return spoiled, planted, tuple(told)


def captions_of(example: Example, rng: np.random.Generator) -> list[Caption]:
    """The truthful captions of a clip, ``ROWS`` of them, in the order of the rows."""
    scene, unsaid = example.scene(), example.unsaid
    plain = [sample_caption(scene, rng, unsaid, plain=1.0) for _ in range(PLAIN_ROWS)]
    whole = [sample_caption(scene, rng, unsaid, plain=0.0) for _ in range(WHOLE_ROWS)]
    second = [
        sample_caption(scene, rng, plain=0.0, topics=topics)
        for topics in example.seconds
        for _ in range(SECOND_ROWS)
    ]
    return [*plain, *whole, *second]


def encode(captions: list[Caption]) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """Word numbers ``[N, 192]`` padded with 0, and which topics each states ``[N, topics]``."""
    words = np.zeros((len(captions), MAX_WORDS), np.int16)
    stated = np.zeros((len(captions), len(TOPIC_INDEX)), np.bool_)
    numbers = tokenizer()([caption.text for caption in captions]).numpy()
    words[:, : numbers.shape[1]] = numbers
    for row, caption in enumerate(captions):
        stated[row, [TOPIC_INDEX[name] for name in caption.topics]] = True
    return words, stated


def write_shard(folder: Path, part: Part, number: int, clips: int) -> Path:
    """Render and caption a shard of ``clips`` clips; an existing one is left alone."""
    path = folder / f"{part}-{number:03d}.npy"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    first = _FIRST_SEED[part] + number * clips
    made = [make_clip(seed, part) for seed in range(first, first + clips)]
    rows = [
        encode(captions_of(shown, np.random.default_rng([shown.seed, 12]))) for _, shown in made
    ]
    with written_aside(path.with_suffix(".npz")) as aside, aside.open("wb") as file:
        np.savez(file, words=np.stack([one for one, _ in rows]),
                 stated=np.stack([one for _, one in rows]))  # fmt: skip
    lines = "".join(json.dumps(_record(shown)) + "\n" for _, shown in made)
    write_bytes(path.with_suffix(".jsonl"), lines.encode())
    # Last, because a shard counts as finished when this file is there.
    with written_aside(path) as aside, aside.open("wb") as file:
        np.save(file, np.stack([frames for frames, _ in made]))
    return path


def _record(shown: Example) -> dict[str, Any]:
    row: dict[str, Any] = {"kind": shown.kind, "seed": shown.seed}
    if shown.planted is not None:
        row |= {"mistake": shown.planted.name, "direction": shown.planted.direction,
                "start": shown.planted.start, "early": shown.planted.early}  # fmt: skip
    return row


def main() -> None:
    """Render shards from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--part", choices=PARTS, nargs="+", default=["right"])
    parser.add_argument("--shards", type=int, default=10, help="of each part")
    parser.add_argument("--clips", type=int, default=500, help="in each shard")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    asked = parser.parse_args()
    tasks = [
        (asked.folder, part, number, asked.clips)
        for number in range(asked.shards)
        for part in asked.part
    ]
    if asked.jobs == 1:
        for task in tasks:
            write_shard(*task)
        return
    with multiprocessing.get_context("spawn").Pool(asked.jobs) as pool:
        pool.starmap(write_shard, tasks, chunksize=1)


if __name__ == "__main__":
    main()
