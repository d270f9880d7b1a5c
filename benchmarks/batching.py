"""What it gains to make the candidates of one prompt in one call: seconds as a ratio, in one run.

    python benchmarks/batching.py --seeds 8 --rounds 3

Two generators are small enough for any CPU: the embedded world with its shipped weights, and
CogVideoX with tiny random weights, which measures what calling a pipeline costs and nothing of a
real model. Both go through the wrappers of a run (store in memory, meter, pool). Single clips and
batches take turns, so that other load on the machine meets both; the fastest round of each counts.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from phyrefine.backends.diffusers import DiffusersVideoGenerator
from phyrefine.backends.diffusers.tiny import tiny_cogvideox
from phyrefine.run.budget.meter import Meter
from phyrefine.run.store.store import MemoryStore
from phyrefine.run.wrappers import wrap_generator
from phyrefine.testing import moving_clip
from phyrefine.types import Prompt, Shot
from phyrefine.video.clip import Clip
from phyrefine.world.generator import WorldGenerator


def make(generator: Any, shots: Sequence[Shot]) -> tuple[float, list[Clip]]:
    """Seconds for all clips, and the clips."""
    wrapped = wrap_generator(generator, store=MemoryStore(), meter=Meter())
    begun = time.perf_counter()
    clips = list(wrapped.generate_each(shots))
    return time.perf_counter() - begun, clips


def compare(single: Any, batched: Any, shots: Sequence[Shot], rounds: int) -> dict[str, float]:
    """Best seconds of both, their ratio, and the largest difference of a pixel."""
    make(single, shots[:1])
    make(batched, shots[:2])
    taken: dict[str, list[float]] = {"single": [], "batched": []}
    for _ in range(rounds):
        seconds, alone = make(single, shots)
        taken["single"].append(seconds)
        seconds, together = make(batched, shots)
        taken["batched"].append(seconds)
    apart = max(
        int(np.abs(one.frames.astype(np.int16) - other.frames).max())
        for one, other in zip(alone, together, strict=True)
    )
    best = {name: min(values) for name, values in taken.items()}
    ratio = best["single"] / best["batched"]
    return {**best, "times_as_fast": ratio, "largest_difference_of_255": apart}


def main() -> None:
    """Print one line of JSON for each generator and batch size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--batches", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    pipe = tiny_cogvideox()
    prefix = moving_clip(72, (48, 64), 24.0)
    shots = [
        Shot(Prompt("The ball falls."), prefix, seconds=asked.seconds, size=(48, 64), seed=seed)
        for seed in range(asked.seeds)
    ]
    for size in asked.batches:
        pairs = {
            "world": (WorldGenerator(), WorldGenerator(batch_size=size)),
            "tiny CogVideoX": (
                DiffusersVideoGenerator(pipe, steps=4),
                DiffusersVideoGenerator(pipe, steps=4, batch_size=size),
            ),
        }
        for name, (single, batched) in pairs.items():
            found = compare(single, batched, shots, asked.rounds)
            told = {key: round(value, 3) for key, value in found.items()}
            print(json.dumps({"generator": name, "batch_size": size, **told}), flush=True)


if __name__ == "__main__":
    main()
