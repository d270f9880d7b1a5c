"""What the pipeline is asked for, and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray
from torch import Tensor

from phyrefine.magi.media import PREFIX_FRAMES, UInt8Array
from phyrefine.magi.sampling.perturb import Perturb


@frozen
class Request:
    """What one video is made from.

    Attributes:
        prompt: The prompt, or one for each new chunk (the last one holds for the rest).
        prefix: uint8 [T, H, W, 3]; several frames are a video to continue, one is an image,
            ``None`` is text only.
        prefix_fps: Rate of the prefix; by default the model's.
        prefix_frames: Longest prefix the model sees, at its own rate.
        num_frames: New pixel frames; the video ends with the chunk that holds the last.
        height: Height in pixels, a multiple of 16; by default the variant's.
        width: Width in pixels.
        num_inference_steps: Denoising steps per chunk; by default the variant's.
        seed: Seed of the noise.
        chunk_seeds: Seeds of the first chunks.
        latents: Noise (1, 16, T, h, w) instead of a seed.
        sampling: Further `SamplingConfig` fields to change.
        perturb: Take early steps again where the network is unsure; off by default.
        resume: State of an earlier chunk, to go on after it.
    """

    prompt: str | Sequence[str]
    prefix: NDArray[np.uint8] | None = None
    prefix_fps: Fraction | float | None = None
    prefix_frames: int = PREFIX_FRAMES
    num_frames: int = 96
    height: int | None = None
    width: int | None = None
    num_inference_steps: int | None = None
    seed: int = 0
    chunk_seeds: Sequence[int] = ()
    latents: Tensor | None = None
    sampling: dict[str, Any] = field(factory=dict)
    perturb: Perturb | None = None
    resume: bytes | None = None


@frozen(eq=False)
class VideoChunk:
    """One finished chunk of a video.

    Attributes:
        index: 0 for the first chunk after the complete prefix chunks.
        frames: uint8 [T, H, W, 3].
        latents: (1, 16, T / 4, h, w) float32, scaled.
        state: Opaque bytes; as `Request.resume` they go on after this chunk.
    """

    index: int
    frames: UInt8Array
    latents: Tensor
    state: bytes
