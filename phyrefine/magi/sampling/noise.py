"""Noise, chunk by chunk, from CPU generators: a seed means the same on every device."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_CHANNELS = 16


def chunk_noise(
    seed: int,
    first: int,
    shape: tuple[int, int, int],
    *,
    chunk_seeds: Sequence[int] = (),
    latents: Tensor | None = None,
) -> Callable[[int], Tensor]:
    """Noise of absolute chunks.

    A chunk's noise hangs on the seed and its place after the prefix, not on the length of the
    video, so a longer video begins like a shorter one. (The original draws one tensor for the
    whole video on the GPU; no CPU can match it.)

    Args:
        seed: Seed of the video.
        first: Complete prefix chunks; the first chunk drawn.
        shape: Latent frames, height and width of a chunk.
        chunk_seeds: Seeds of the first chunks, instead of those derived from ``seed``.
        latents: Noise (1, 16, T, h, w) to use as it is, prefix chunks included.
    """
    frames = shape[0]

    def draw(chunk: int) -> Tensor:
        if latents is not None:
            return latents[0, :, chunk * frames : (chunk + 1) * frames].float()
        place = chunk - first
        derived = chunk_seeds[place] if place < len(chunk_seeds) else _derived(seed, place)
        generator = torch.Generator("cpu").manual_seed(derived)
        return torch.randn((_CHANNELS, *shape), generator=generator)

    return draw


def _derived(seed: int, place: int) -> int:
    digest = hashlib.sha256(f"magi {seed} {place}".encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)
