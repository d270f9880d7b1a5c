"""How the generator answers to prompts: ``python -m phyrefine.world.truth.training.evaluate``.

Scenes, and the wording of the paraphrases, are held apart from training. Objects are found by
their difference from the scene's own still background, which only the truth side knows.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

from phyrefine.world.generator import WorldModel
from phyrefine.world.generator.checkpoint import load_network, weights_path
from phyrefine.world.generator.network import FPS, FRAMES, HEIGHT, WIDTH
from phyrefine.world.generator.sampler import Sampling
from phyrefine.world.truth.captions.captions import all_cues, describe, filler_only
from phyrefine.world.truth.captions.moments import cues_by_second
from phyrefine.world.truth.physics.rendering import Frames, render
from phyrefine.world.truth.physics.scene import COLOURS, TEST_SEEDS, Scene, sample_scene
from phyrefine.world.truth.physics.trajectory import SEAM_SECONDS, Trajectory
from phyrefine.world.truth.scenes import simulate

KINDS_MEASURED = ("drop", "collision", "projectile", "incline", "pendulum")
BALL_KINDS = (*KINDS_MEASURED, "magnet")
SIZE = (WIDTH, HEIGHT)
Mask = NDArray[np.bool_]
Prompt = str | tuple[str, ...]

# Smaller than this in the truth (px), a thing counts as not there.
_LEAST = 12
_ENDING = 4
# Fewer pixels than this are noise; so near the edge (px) a thing is leaving.
_SPECK, _EDGE = 3, 2
_SAME_COLOUR = 80
# An object is there in its colour from half to 1.6 times its true size: two are one too many.
_SHARES = (0.5, 1.6)
# The physics' own samples: contacts fall between the frames of a clip.
_FINE = 6


@attrs.frozen
class Figures:
    """What one generated continuation measures against the truth.

    Args:
        spatial_iou: Overlap of where anything was at any time.
        spatiotemporal_iou: Overlap frame by frame, over frames in which the truth shows objects.
        permanence: 1 if what the truth shows in the last half second is still there, else 0.
        objects: 1 if every object that the truth shows in the last half second is there then in
            its own colour, and not twice; else 0. NaN if the truth shows none.
        not_lost: The same, but a ball that was last seen at the frame's edge counts as there: it
            rolled out, and did not vanish.
        rebound: Highest point after the first contact, px above rest (drop scenes, else NaN).
        rebound_truth: The same of the truth.
    """

    spatial_iou: float
    spatiotemporal_iou: float
    permanence: float
    objects: float
    not_lost: float
    rebound: float
    rebound_truth: float


def backdrop(trajectory: Trajectory) -> Frames:
    """The scene without its moving objects, one frame ``[1, H, W, 3]`` without noise."""
    bodies = tuple(body for body in trajectory.bodies if not body.moving)
    empty = attrs.evolve(trajectory, bodies=bodies).every(len(trajectory.times))
    return render(empty, SIZE, noise=0.0)


def presence(frames: Frames, background: Frames) -> Mask:
    """Where something stands out of the background, bool ``[T, H, W]``."""
    difference = np.abs(frames.astype(int) - background.astype(int)).max(axis=-1)
    return np.asarray(difference > 45, dtype=np.bool_)


def overlap(first: Mask, second: Mask) -> float:
    """Intersection over union; NaN when both are empty (an empty match proves nothing)."""
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else float("nan")


def coloured(frames: Frames, background: Frames, colour: NDArray[np.float64]) -> Mask:
    """Where something stands out of the background in a colour (RGB in [0, 1]), ``[T, H, W]``."""
    apart = np.abs(frames.astype(int) - np.rint(255.0 * colour).astype(int)).max(axis=-1)
    found: Mask = presence(frames, background) & (apart < _SAME_COLOUR)
    return found


def left_the_frame(found: Mask) -> bool:
    """Whether what was found was last seen at the left or right edge, bool ``[T, H, W]``."""
    seen = np.flatnonzero(found.sum(axis=(1, 2)) >= _SPECK)
    if not len(seen) or seen[-1] == len(found) - 1:
        return False
    last = found[seen[-1]].any(axis=0)
    return bool(last[:_EDGE].any() or last[-_EDGE:].any())


def ball_colours(scene: Scene) -> list[NDArray[np.float64]]:
    """The colours of a scene's balls, RGB in [0, 1]; empty for a kind without one."""
    if scene.kind not in BALL_KINDS:
        return []
    names = ("colour", "other_colour") if scene.kind == "collision" else ("colour",)
    return [np.array(COLOURS[scene.word(name)]) for name in names]


def objects_kept(
    scene: Scene, made: Frames, truth: Frames, background: Frames, *, may_leave: bool = False
) -> float:
    """Whether every ball that the truth shows at the end is there, once, in its own colour.

    Args:
        scene: Whose balls.
        made: The continuation, uint8 ``[T, H, W, 3]``.
        truth: The true one.
        background: The scene without its moving objects, ``[1, H, W, 3]``.
        may_leave: Whether a ball counts as there if it left through the frame's edge.

    Returns:
        1 or 0; NaN if the truth shows no ball in the last half second.
    """
    verdicts = []
    for colour in ball_colours(scene):
        wanted = _pixels(coloured(truth[-_ENDING:], background, colour))
        if wanted >= _LEAST:
            found = coloured(made, background, colour)
            there = _SHARES[0] * wanted <= _pixels(found[-_ENDING:]) <= _SHARES[1] * wanted
            verdicts.append(there or (may_leave and _leaves(found, wanted)))
    return float(all(verdicts)) if verdicts else float("nan")


def _pixels(mask: Mask) -> float:
    return float(mask.sum(axis=(1, 2)).mean())


def _leaves(found: Mask, wanted: float) -> bool:
    """Gone through the edge, or on its way out: cut by the edge at the end."""
    ending = found[-_ENDING:]
    edge = bool(ending[..., :_EDGE].any() or ending[..., -_EDGE:].any())
    return left_the_frame(found) or (edge and _pixels(ending) <= _SHARES[1] * wanted)


def rebound_height(mask: Mask) -> float:
    """Highest centre after the lowest point of the first fall, px above the lowest row."""
    rows = np.arange(mask.shape[1])[None, :, None]
    area = mask.sum(axis=(1, 2))
    seen = area > 4
    if seen.sum() < 3:
        return 0.0
    centre = np.where(seen, (mask * rows).sum(axis=(1, 2)) / np.maximum(area, 1), np.nan)
    lowest = np.nanmax(centre)
    contact = int(np.flatnonzero(centre > lowest - 3.0)[0])
    after = centre[contact:]
    return float(lowest - np.nanmin(after)) if np.isfinite(after).any() else 0.0


def measure(scene: Scene, made: Frames, truth: Frames, background: Frames) -> Figures:
    """Compare a continuation uint8 ``[T, H, W, 3]`` with the true one."""
    found, real = presence(made, background), presence(truth, background)
    frames = [overlap(one, other) for one, other in zip(found, real, strict=True) if other.any()]
    ending_real, ending = real[-_ENDING:].mean(axis=0) > 0.5, found[-_ENDING:]
    wanted = int(ending_real.sum())
    kept = ending.sum(axis=(1, 2)).mean() >= 0.5 * wanted if wanted >= _LEAST else float("nan")
    drop = scene.kind == "drop"
    return Figures(
        spatial_iou=overlap(np.asarray(found.any(axis=0)), np.asarray(real.any(axis=0))),
        spatiotemporal_iou=float(np.mean(frames)),
        permanence=float(kept),
        objects=objects_kept(scene, made, truth, background),
        not_lost=objects_kept(scene, made, truth, background, may_leave=True),
        rebound=rebound_height(found) if drop else float("nan"),
        rebound_truth=rebound_height(real) if drop else float("nan"),
    )


def wrong_prompt(scene: Scene) -> str:
    """All cues of a scene that behaves otherwise."""
    if scene.kind == "drop":
        other = "rubber" if scene.word("material") == "clay" else "clay"
        return all_cues(attrs.evolve(scene, params={**scene.params, "material": other}))
    return all_cues(sample_scene("pendulum" if scene.kind != "pendulum" else "drop", scene.seed))


def prompts_of(trajectory: Trajectory, rng: np.random.Generator) -> dict[str, Prompt]:
    """The prompts compared: from the plain description to a wrong one.

    Args:
        trajectory: The true motion, finely sampled (see ``topics_by_second``).
        rng: Picks held-out sentences.
    """
    scene = trajectory.scene
    return {
        "plain": describe(scene),
        "all cues": all_cues(scene),
        "cues by second": cues_by_second(trajectory),
        "held-out paraphrase": all_cues(scene, "held_out", rng),
        "filler": filler_only(scene, 5, rng),
        "wrong": wrong_prompt(scene),
    }


def measure_scene(
    model: WorldModel,
    scene: Scene,
    seeds: Sequence[int],
    sampling: Sampling,
    only: Sequence[str] = (),
) -> Iterator[tuple[str, Figures]]:
    """Generate under every prompt and seed, and yield ``(prompt name, figures)``.

    Args:
        model: What generates.
        scene: A test scene.
        seeds: Noise seeds.
        sampling: Steps and guidance.
        only: Names of the prompts to try; by default all of ``prompts_of``.
    """
    fine = simulate(scene, fps=FPS * _FINE)
    trajectory = fine.every(_FINE)
    video = render(trajectory, SIZE)
    seam = round(SEAM_SECONDS * FPS)
    background, truth = backdrop(trajectory), video[seam:]
    still = np.repeat(video[seam - 1 : seam], len(truth), axis=0)
    yield "still clip", measure(scene, still, truth, background)
    rng = np.random.default_rng([scene.seed, 3])
    for name, prompt in prompts_of(fine, rng).items():
        for seed in seeds if not only or name in only else ():
            chunks = model.stream(video[seam - FRAMES : seam], prompt, seed=seed, sampling=sampling)
            made = np.concatenate(list(chunks))
            yield name, measure(scene, made, truth, background)


def summarise(rows: Sequence[Figures]) -> dict[str, float]:
    """Means over rows, leaving out NaN, and the mean error of the rebound."""
    means: dict[str, float] = {"clips": len(rows)}
    for field in attrs.fields(Figures):
        values = np.array([getattr(row, field.name) for row in rows])
        if np.isfinite(values).any():
            means[field.name] = round(float(np.nanmean(values)), 3)
    errors = np.array([abs(row.rebound - row.rebound_truth) for row in rows])
    if np.isfinite(errors).any():
        means["rebound_error"] = round(float(np.nanmean(errors)), 2)
    return means


@functools.lru_cache(maxsize=1)
def _model(weights: Path) -> WorldModel:
    torch.set_num_threads(1)
    return WorldModel(load_network(weights))


def _rows(
    weights: Path, seeds: Sequence[int], sampling: Sampling, only: Sequence[str], scene: Scene
) -> list[tuple[str, Figures]]:
    return list(measure_scene(_model(weights), scene, seeds, sampling, only))


def evaluate(
    weights: Path,
    kinds: Sequence[str],
    scenes: int,
    seeds: Sequence[int],
    sampling: Sampling,
    *,
    only: Sequence[str] = (),
    jobs: int = 1,
) -> dict[str, dict[str, dict[str, float]]]:
    """Means per kind and prompt over ``scenes`` test scenes of each kind.

    Args:
        weights: File of weights.
        kinds: Kinds of scene.
        scenes: How many of each kind.
        seeds: Noise seeds for every scene and prompt.
        sampling: Steps and guidance.
        only: Names of the prompts to try; by default all.
        jobs: Processes.
    """
    asked = [
        sample_scene(kind, TEST_SEEDS[500_000 + number])
        for kind in kinds
        for number in range(scenes)
    ]
    work = functools.partial(_rows, weights, seeds, sampling, only)
    if jobs == 1:
        found = [work(scene) for scene in asked]
    else:
        with multiprocessing.get_context("spawn").Pool(jobs) as pool:
            found = pool.map(work, asked, chunksize=1)
    table: dict[str, dict[str, list[Figures]]] = {kind: {} for kind in (*kinds, "all")}
    for scene, rows in zip(asked, found, strict=True):
        for name, figures in rows:
            for kind in (scene.kind, "all"):
                table[kind].setdefault(name, []).append(figures)
    return {
        kind: {name: summarise(rows) for name, rows in group.items()}
        for kind, group in table.items()
    }


def main() -> None:
    """Measure weights from the command line and print the table as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=None)
    parser.add_argument("--variant", default="truthful")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS_MEASURED))
    parser.add_argument("--scenes", type=int, default=8)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=Sampling().steps)
    parser.add_argument("--guidance", type=float, default=Sampling().guidance)
    parser.add_argument("--prompts", nargs="+", default=[], help="names of prompts; default all")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, default=None)
    asked = parser.parse_args()
    began = time.monotonic()
    sampling = Sampling(steps=asked.steps, guidance=asked.guidance)
    table = evaluate(
        asked.weights or weights_path(asked.variant),
        asked.kinds,
        asked.scenes,
        asked.seeds,
        sampling,
        only=asked.prompts,
        jobs=asked.jobs,
    )
    report = {
        "steps": asked.steps,
        "guidance": asked.guidance,
        "table": table,
        "seconds": round(time.monotonic() - began),
    }
    text = json.dumps(report, indent=1)
    if asked.out is not None:
        asked.out.write_text(text + "\n", encoding="utf-8")
    print(text)  # noqa: T201 - a script's result


if __name__ == "__main__":
    main()
