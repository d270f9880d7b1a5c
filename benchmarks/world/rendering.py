"""Many noise seeds of one scene and prompt in one batch, on the CPU or a GPU.

A clip of a batch is what ``WorldGenerator`` makes of the same seed but for rounding: noise comes
from the same CPU generators, and a few pixels differ by one level of 255 at the most.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from attrs import frozen
from numpy.typing import NDArray

from benchmarks.world.prompts import Said
from phyrefine.types import Scenario
from phyrefine.video.prefix import READING
from phyrefine.video.prefix import context as prefix_context
from phyrefine.world.generator.checkpoint import file_digest, load_network, weights_path
from phyrefine.world.generator.network import FPS, FRAMES, HEIGHT, WIDTH, Tokenizer
from phyrefine.world.generator.sampler import (
    Sampling,
    chunk_noise,
    chunk_seed,
    sample_chunk,
    to_frames,
    to_signal,
)

UInt8Array = NDArray[np.uint8]

# Seeds at once on a CPU: larger batches leave its caches and are slower. A GPU takes all.
BATCH = 8


@frozen
class Renderer:
    """Weights and how they are sampled.

    Attributes:
        variant: A shipped variant, or the path of a ``.safetensors`` file.
        steps: Sampling steps.
        guidance: Weight of the prompt.
        device: ``"cpu"`` or ``"cuda"``.
    """

    variant: str
    steps: int = 8
    guidance: float = 1.5
    device: str = "cpu"

    @property
    def digest(self) -> str:
        """First 16 digits of the weights' SHA-256."""
        return _digest(self.variant)

    @property
    def key(self) -> str:
        """Weights and settings: everything but the prompt and the seed that changes a clip."""
        return f"{self.digest}-s{self.steps}-g{self.guidance:g}-{READING}"

    def render(self, scenario: Scenario, prompt: Said, seeds: Sequence[int]) -> UInt8Array:
        """Native frames uint8 ``[N, T, 48, 64, 3]`` at 8 fps, one clip for each seed."""
        batches = [seeds[first : first + BATCH] for first in range(0, len(seeds), BATCH)]
        if self.device != "cpu":
            batches = [seeds]
        return np.concatenate([self._batch(scenario, prompt, batch) for batch in batches])

    def _batch(self, scenario: Scenario, prompt: Said, seeds: Sequence[int]) -> UInt8Array:
        assert scenario.prefix is not None
        network, tokenizer = _network(self.variant, self.device)
        sampling = Sampling(self.steps, self.guidance)
        frames = round(scenario.seconds * FPS)
        chunks = -(-frames // FRAMES)
        texts = prompt.texts * chunks if len(prompt.texts) == 1 else prompt.texts
        if len(texts) != chunks:
            raise SystemExit(f"{chunks} chunks need 1 or {chunks} prompts, not {len(texts)}.")
        clip = prefix_context(scenario.prefix, fps=FPS, frames=FRAMES)
        before = clip.resize(HEIGHT, WIDTH, mode="stretch").frames
        known = np.repeat(before[None], len(seeds), axis=0)
        anchor = _signal(known[:, -1], self.device)
        made = []
        with torch.inference_mode():
            encoded = {t: network.encode(tokenizer([t]).to(self.device)) for t in {*texts, ""}}
            for index, text in enumerate(texts):
                noise = chunk_noise([chunk_seed(seed, index) for seed in seeds], HEIGHT, WIDTH)
                context, noise = _signal(known, self.device), noise.to(self.device)
                # The sampler makes its own small tensors; they must lie where the network does.
                with torch.device(self.device):
                    clean = sample_chunk(
                        network, noise, context, anchor,
                        encoded[text].expand(len(seeds), -1), encoded[""],
                        torch.full((len(seeds),), index), sampling,
                    )  # fmt: skip
                known = to_frames(clean.cpu())
                made.append(known)
        return np.concatenate(made, axis=1)[:, :frames]


def _signal(frames: UInt8Array, device: str) -> torch.Tensor:
    return to_signal(frames, torch.float32).to(device)


@functools.lru_cache(maxsize=2)
def _network(variant: str, device: str) -> tuple[Any, Tokenizer]:
    network = load_network(weights_path(variant)).to(device)
    return network, Tokenizer(network.config.vocabulary)


@functools.lru_cache(maxsize=8)
def _digest(variant: str) -> str:
    return file_digest(weights_path(variant))[:16]
