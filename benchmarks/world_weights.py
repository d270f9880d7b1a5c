"""Weights of the embedded generator side by side on held-out scenes, one sample each.

    python benchmarks/world_weights.py --weights OLD.safetensors NEW.safetensors --scenes 10

Every scene is continued once from its all-cues (or plain) prompt. ``kept``: share of clips in which
every ball that the truth shows in the last half second is there, once, in its own color; ``not
lost``: the same, but a ball may have left through the frame's edge; ``score``: Physics-IQ-style, 0
to 100; ``seconds``: per clip of 5 s, on one thread.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from phyrefine.cli.demo_scenes import Sample, make_sample, true_score
from phyrefine.types import Prompt, Shot
from phyrefine.video.clip import Clip
from phyrefine.video.prefix import context
from phyrefine.world.generator import WorldModel
from phyrefine.world.generator.checkpoint import load_network
from phyrefine.world.generator.network import FPS, FRAMES
from phyrefine.world.truth.captions.captions import all_cues, describe
from phyrefine.world.truth.scenes import simulate
from phyrefine.world.truth.training.evaluate import KINDS_MEASURED, backdrop, objects_kept


def one_clip(model: WorldModel, sample: Sample, plain: bool, seed: int) -> dict[str, float]:
    """Figures of one continuation."""
    scene = sample.scene
    shot = Shot(Prompt(describe(scene) if plain else all_cues(scene)), sample.scenario.prefix)
    assert shot.prefix is not None
    before = context(shot.prefix, fps=FPS, frames=FRAMES).frames
    began = time.perf_counter()
    made = np.concatenate(list(model.stream(before, shot.prompt.text, seed=seed)))
    seconds = time.perf_counter() - began
    background = backdrop(simulate(scene, fps=FPS))
    truth = sample.take1.frames
    return {
        "kept": objects_kept(scene, made, truth, background),
        "not lost": objects_kept(scene, made, truth, background, may_leave=True),
        "score": true_score(sample, Clip(made, FPS)),
        "motion": float((np.abs(np.diff(made.astype(int), axis=0)).max(axis=-1) > 30).mean()),
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, nargs="+", required=True)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS_MEASURED))
    parser.add_argument("--scenes", type=int, default=10, help="of each kind")
    parser.add_argument("--scene-seed", type=int, default=1_500_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--plain", action="store_true", help="plain prompts instead of all cues")
    parser.add_argument("--out", type=Path, default=None, help="JSON of every clip's figures")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    everything = {}
    for path in asked.weights:
        model, rows = WorldModel(load_network(path)), []
        for kind in asked.kinds:
            for number in range(asked.scenes):
                sample = make_sample(kind, asked.scene_seed + number)
                for seed in asked.seeds:
                    figures = one_clip(model, sample, asked.plain, seed)
                    rows.append({"kind": kind, "scene": number, "seed": seed, **figures})
        everything[str(path)] = rows
        print(path)
        groups = defaultdict(list)
        for row in rows:
            groups[row["kind"]].append(row)
            groups["all"].append(row)
        for kind, group in groups.items():
            means = {
                name: round(float(np.nanmean([row[name] for row in group])), 3)
                for name in ("kept", "not lost", "score", "seconds")
                if np.isfinite([row[name] for row in group]).any()
            }
            print(f"  {kind:12} {len(group):4} clips {means}")
    if asked.out is not None:
        asked.out.write_text(json.dumps(everything), encoding="utf-8")


if __name__ == "__main__":
    main()
