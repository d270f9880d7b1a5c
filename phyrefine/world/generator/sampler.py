"""Rectified-flow sampling, chunk by chunk.

The flow runs from noise at time 0 to the clean chunk at time 1 along
``dx/dt = (clean - x) / (1 - t)`` (Liu et al., arXiv 2209.03003), in Euler steps, with
classifier-free guidance (Ho & Salimans, arXiv 2207.12598) on the predicted clean chunk.

Shapes: B batch, F frames of a chunk, H, W height and width.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from phyrefine.errors import InvalidInputError
from phyrefine.world.generator.network import FRAMES, VideoNetwork, check_size

UInt8Array = NDArray[np.uint8]


@attrs.frozen
class Sampling:
    """How a chunk is drawn.

    Args:
        steps: Euler steps, 1 or more.
        guidance: Weight of the prompt; 1 is none, larger follows the words more strictly.
    """

    steps: int = attrs.field(default=8, validator=attrs.validators.ge(1))
    guidance: float = attrs.field(default=1.5, validator=attrs.validators.ge(0.0))


def chunk_seed(seed: int, index: int) -> int:
    """The seed of chunk ``index``'s noise in a clip of seed ``seed``."""
    words = np.random.SeedSequence([abs(seed), int(seed < 0), index]).generate_state(2, np.uint32)
    return int(words[0]) << 31 | int(words[1]) >> 1


def chunk_noise(seeds: Sequence[int], height: int, width: int) -> Tensor:
    """Standard normal noise ``[B, F, 3, H, W]``, one CPU generator per seed."""
    shape = (FRAMES, 3, height, width)
    rows = [
        torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed)) for seed in seeds
    ]
    return torch.stack(rows)


@torch.inference_mode()
def sample_chunk(
    network: VideoNetwork,
    noise: Tensor,
    context: Tensor,
    anchor: Tensor,
    prompt: Tensor,
    null: Tensor,
    position: Tensor,
    sampling: Sampling,
) -> Tensor:
    """Follow the flow from ``noise`` to a clean chunk.

    Args:
        network: Predicts the clean chunk.
        noise: ``[B, F, 3, H, W]``.
        context: The eight frames before, in [-1, 1], ``[B, F, 3, H, W]``.
        anchor: The prefix's last frame, ``[B, 3, H, W]``.
        prompt: Encoded prompts ``[B, D]``.
        null: The encoded empty prompt ``[1, D]``.
        position: Number of the chunk, int64 ``[B]``.
        sampling: Steps and guidance.

    Returns:
        ``[B, F, 3, H, W]`` in [-1, 1].
    """
    batch = len(noise)
    guided = sampling.guidance != 1.0
    twice = 2 if guided else 1
    prompts = torch.cat([prompt, null.expand(batch, -1)]) if guided else prompt
    contexts = context.repeat(twice, 1, 1, 1, 1)
    anchors, positions = anchor.repeat(twice, 1, 1, 1), position.repeat(twice)
    times = torch.linspace(0.0, 1.0, sampling.steps + 1)
    x = noise.to(context.dtype)
    for now, later in itertools.pairwise(times):
        time = now.expand(twice * batch).to(context.dtype)
        clean = network(x.repeat(twice, 1, 1, 1, 1), time, contexts, anchors, prompts, positions)
        if guided:
            said, unsaid = clean.chunk(2)
            clean = unsaid + sampling.guidance * (said - unsaid)
        clean = clean.clamp(-1.0, 1.0)
        x = x + (later - now) / (1.0 - now) * (clean - x)
    return x.clamp(-1.0, 1.0)


def to_signal(frames: UInt8Array, dtype: torch.dtype) -> Tensor:
    """uint8 ``[..., H, W, 3]`` to ``[..., 3, H, W]`` in [-1, 1]."""
    planes = torch.from_numpy(np.ascontiguousarray(np.moveaxis(frames, -1, -3)))
    return planes.to(dtype) / 127.5 - 1.0


def to_frames(signal: Tensor) -> UInt8Array:
    """``[..., 3, H, W]`` in [-1, 1] to uint8 ``[..., H, W, 3]``."""
    levels = ((signal.float() + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(np.moveaxis(levels.numpy(), -3, -1))


def stream_rounds(
    network: VideoNetwork,
    context: UInt8Array,
    prompts: Sequence[Tensor],
    null: Tensor,
    seeds: Sequence[Sequence[int]],
    sampling: Sampling,
    accepted: UInt8Array | None = None,
) -> Iterator[UInt8Array]:
    """Yield continuations of one context, a chunk of each at a time, conditioned on the one before.

    Chunks are rounded to uint8 before they condition the next one, so that going on from
    accepted chunks gives what the uninterrupted run gives.

    Args:
        network: The video network.
        context: The prefix's last frames at 8 fps, uint8 ``[T, H, W, 3]``, ``T`` of 1 or more;
            fewer than eight are completed by repeating the first.
        prompts: One encoded prompt ``[1, D]`` for each chunk of the whole continuation.
        null: The encoded empty prompt.
        seeds: For each of B continuations one noise seed per chunk.
        sampling: Steps and guidance.
        accepted: Finished frames ``[B, 8 n, H, W, 3]`` of these very continuations.

    Yields:
        uint8 ``[B, 8, H, W, 3]`` for every chunk after the accepted ones.

    Raises:
        InvalidInputError: A size that cannot be folded, or accepted frames that are no whole
            chunks.
    """
    height, width = context.shape[1:3]
    check_size(height, width)
    dtype, batch = null.dtype, len(seeds)
    known = np.repeat(context[None], batch, axis=0)
    done = 0 if accepted is None else accepted.shape[1]
    if done % FRAMES:
        raise InvalidInputError(f"{done} accepted frames are no whole chunks of {FRAMES}.")
    if accepted is not None and done:
        known = np.concatenate([known, accepted], axis=1)
    if (lacking := FRAMES - known.shape[1]) > 0:
        known = np.concatenate([np.repeat(known[:, :1], lacking, axis=1), known], axis=1)
    anchor = to_signal(context[-1:], dtype).expand(batch, -1, -1, -1)
    for index in range(done // FRAMES, len(prompts)):
        noise = chunk_noise([own[index] for own in seeds], height, width)
        before = to_signal(known[:, -FRAMES:], dtype)
        position = torch.full((batch,), index)
        prompt = prompts[index].expand(batch, -1)
        clean = sample_chunk(network, noise, before, anchor, prompt, null, position, sampling)
        known = to_frames(clean)
        yield known
