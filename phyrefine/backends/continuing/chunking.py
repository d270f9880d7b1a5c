"""Chunked autoregressive continuation: what each pass sees, and how passes are joined.

Pure functions on arrays; no model here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import asdict, frozen
from numpy.typing import NDArray

from phyrefine._json import parse_json
from phyrefine.errors import InvalidInputError
from phyrefine.types import Prompt, Shot

UInt8Array = NDArray[np.uint8]
FloatArray = NDArray[np.float32]

# Frames whose color statistics stand for "the scene now": about what one glance takes in.
COLOR_FRAMES = 16


@frozen
class Record:
    """What made a chunk; travels as JSON in ``Chunk.state``.

    Attributes:
        family: Family that made it.
        chunk: Its index, from 0.
        seed: Seed of its noise.
        context: Context frames it was given.
        asked: Frames asked of the pipeline.
        made: New frames it gave.
        color: Per channel (gain, shift in gray levels) applied to the context, if any.
        memory: Memory mode it ran in.
        together: Clips in the call of the pipeline that made it.
    """

    family: str
    chunk: int
    seed: int
    context: int
    asked: int
    made: int
    color: tuple[tuple[float, float], ...] | None = None
    memory: str | None = None
    together: int = 1

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True).encode()


def check_resumable(shot: Shot, family: str, size: tuple[int, int]) -> None:
    """Refuse accepted chunks that cannot be this continuation's.

    Raises:
        InvalidInputError: Another size, another family's state, or a state of another chunk.
    """
    for clip in shot.accepted:
        if clip.size != size:
            raise InvalidInputError(
                f"An accepted chunk is {clip.width}x{clip.height} pixels; the native frames of "
                f"this continuation are {size[1]}x{size[0]}. Pass chunks as stream() gave them."
            )
    if shot.state is None:
        return
    state: dict[str, Any] = parse_json(shot.state)
    if state.get("family") != family or state.get("chunk") != len(shot.accepted) - 1:
        raise InvalidInputError(
            f"The state belongs to chunk {state.get('chunk')} of {state.get('family')}, but "
            f"{len(shot.accepted)} chunks of {family} were accepted."
        )


def frames_needed(shot: Shot, fps: float) -> int:
    """Native frames that cover what the shot delivers."""
    return max(1, int(np.ceil(shot.frames / shot.fps * fps - 1e-6)))


def chunk_seed(shot: Shot, index: int) -> int:
    """Seed of one chunk's noise.

    The first chunk uses the shot's seed itself, so that a one-chunk continuation equals a plain
    call of the pipeline. Later ones must differ: reusing a seed burns textures in and freezes
    motion. Hashing keeps them apart for neighboring seeds.
    """
    if index < len(shot.chunk_seeds):
        return shot.chunk_seeds[index]
    if index == 0:
        return shot.seed
    digest = hashlib.blake2b(f"{shot.seed}:{index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def chunk_prompt(shot: Shot, index: int) -> Prompt:
    """Prompt of one chunk; the last of ``chunk_prompts`` serves all later chunks."""
    if not shot.chunk_prompts:
        return shot.prompt
    return shot.chunk_prompts[min(index, len(shot.chunk_prompts) - 1)]


def color_match(
    frames: UInt8Array, recent: UInt8Array, reference: UInt8Array, strength: float
) -> tuple[UInt8Array, tuple[tuple[float, float], ...]]:
    """Move the colors of a context towards those of the prefix.

    Per channel, mean and standard deviation of ``recent`` are moved to those of ``reference``
    (Reinhard et al., Color Transfer between Images, 2001, here in RGB), by ``strength``.

    Args:
        frames: uint8 [k, H, W, 3], the context to correct.
        recent: uint8 [T, H, W, 3], what the model made last.
        reference: uint8 [T, H, W, 3], the end of the prefix.
        strength: 0 (nothing) to 1 (whole).

    Returns:
        The corrected context, and (gain, shift) of each channel.
    """
    made, wanted = recent.astype(np.float64), reference.astype(np.float64)
    mean, spread = made.mean(axis=(0, 1, 2)), made.std(axis=(0, 1, 2))
    goal, goal_spread = wanted.mean(axis=(0, 1, 2)), wanted.std(axis=(0, 1, 2))
    # One gray level of spread is quantization, not contrast to be amplified.
    ratio = np.where((spread > 1) & (goal_spread > 1), goal_spread / np.maximum(spread, 1), 1.0)
    gain = 1 + strength * (ratio - 1)
    shift = strength * (goal - mean * ratio)
    moved = np.clip(np.rint(frames * gain + shift), 0, 255).astype(np.uint8)
    pairs = tuple(
        (round(float(g), 6), round(float(s), 6)) for g, s in zip(gain, shift, strict=True)
    )
    return moved, pairs


def fade_match(made: FloatArray, moved: Sequence[tuple[float, float]]) -> FloatArray:
    """Join the new frames to the delivered ones when their context was moved by ``color_match``.

    The model continues the moved context, so its first new frame would differ from the last
    delivered frame by that move: a flash at every join. The move is undone on the first new frame
    and fades in over the chunk, so that the colors return to the prefix's without a step.

    Args:
        made: float32 [T, H, W, 3] in 0..1, the new frames.
        moved: (gain, shift in gray levels) of each channel, from :func:`color_match`.
    """
    gain = np.array([pair[0] for pair in moved], np.float32)
    shift = np.array([pair[1] for pair in moved], np.float32) / 255
    undone = (made - shift) / np.maximum(gain, 1e-3)
    weights = 1 - (np.arange(len(made), dtype=np.float32) + 1) / (len(made) + 1)
    joined = made + weights[:, None, None, None] * (undone - made)
    clipped: FloatArray = np.clip(joined, 0, 1).astype(np.float32)
    return clipped


def fade_offset(made: FloatArray, repeated: int, last: UInt8Array, frames: int) -> FloatArray:
    """Fade out the offset between the last context frame and the model's own copy of it.

    A decoder gives back its context slightly off in color and sharpness; cutting from the real
    frame to the next new one shows that as a step. New frame ``i`` gets ``1 - (i + 1) / (frames +
    1)`` of the offset. Frames of the prefix are never touched.

    Args:
        made: float32 [T, H, W, 3] in 0..1, all frames of the pass.
        repeated: How many of them repeat the context.
        last: uint8 [H, W, 3], the last context frame.
        frames: New frames over which to fade; 0 does nothing.
    """
    new = made[repeated:]
    if not frames or not repeated:
        return new
    offset = last.astype(np.float32) / 255 - made[repeated - 1]
    count = min(frames, len(new))
    weights = 1 - (np.arange(count, dtype=np.float32) + 1) / (frames + 1)
    faded = new.copy()
    faded[:count] += weights[:, None, None, None] * offset
    clipped: FloatArray = np.clip(faded, 0, 1)
    return clipped
