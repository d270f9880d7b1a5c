"""Pixels in and out: frame rates, the prefix a model sees, uint8 frames."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import attrs
import numpy as np
import torch
from attrs import frozen
from numpy.typing import NDArray
from torch import Tensor

from phyrefine.errors import InvalidInputError, VideoError
from phyrefine.magi.vae.autoencoder import AutoencoderKLMagi
from phyrefine.video.frames import resize

UInt8Array = NDArray[np.uint8]

# Three seconds at 24 frames per second: three whole chunks.
PREFIX_FRAMES = 72
# What the original's loader keeps, from the start of the video.
_ORIGINAL_PREFIX_FRAMES = 32


@frozen
class Quirks:
    """Behaviors of the original that a user may not want. All off by default.

    Attributes:
        first_frames: The prefix is the first 32 frames of the given video instead of its last.
        short_tail: When the first chunk after an incomplete prefix chunk ends in a lone latent
            frame, it decodes to one pixel frame instead of four, so the video skips.
        drifted_image: The first frame after an image is what the sampler made of it instead of
            the image itself.
        stretch: Pixels are scaled to the size without keeping their aspect ratio, instead of
            being cropped to it.
        half_second_tiles: The autoencoder works in pieces of ``fps // 2`` frames at any rate,
            instead of 12; the same at 24 fps. Where that is no multiple of four, frames are lost.
    """

    first_frames: bool = False
    short_tail: bool = False
    drifted_image: bool = False
    stretch: bool = False
    half_second_tiles: bool = False

    @classmethod
    def original(cls) -> Quirks:
        """Everything as the original does it."""
        return cls(*[True] * len(attrs.fields(cls)))


def fps_indices(count: int, rate: Fraction | float, fps: float) -> NDArray[np.intp]:
    """Which source frame becomes which output frame, as FFmpeg's fps filter picks.

    Source frame k goes to output ``round(k fps / rate)`` (halves away from zero); output i shows
    the last source frame that went to i or before. There are ``round(count fps / rate)`` outputs.

    Args:
        count: Source frames.
        rate: Their rate.
        fps: Rate of the output.
    """
    ratio = Fraction(fps).limit_denominator(100_000) / Fraction(rate).limit_denominator(100_000)
    places = np.array([_round_half_up(index * ratio) for index in range(count)])
    outputs = np.arange(_round_half_up(count * ratio))
    return np.searchsorted(places, outputs, side="right") - 1


def prefix_frames(
    frames: UInt8Array,
    rate: Fraction | float,
    *,
    fps: int,
    size: tuple[int, int],
    quirks: Quirks,
    most: int = PREFIX_FRAMES,
) -> UInt8Array:
    """The frames that condition the model.

    The last ``most`` at the model's rate; when there are fewer, the last multiple of four (a
    latent holds four frames). Three seconds are three whole chunks; a remainder beyond whole
    chunks is denoised along with the first new chunk.

    Args:
        frames: uint8 [T, H, W, 3]; one frame is an image.
        rate: Frames per second of ``frames``.
        fps: The model's rate.
        size: The model's (height, width).
        quirks: ``first_frames`` and ``stretch``.
        most: Longest prefix in frames; a multiple of four.

    Raises:
        VideoError: A video shorter than four frames at the model's rate.
        InvalidInputError: ``most`` is no multiple of four.
    """
    if most < 4 or most % 4:
        raise InvalidInputError(f"prefix_frames must be a multiple of 4 from 4 on, not {most}.")
    if len(frames) > 1:
        picked = fps_indices(len(frames), rate, fps)
        if quirks.first_frames:
            picked = picked[:_ORIGINAL_PREFIX_FRAMES]
        else:
            picked = _counted_back(len(frames), rate, fps)
        keep = min(most, len(picked) // 4 * 4)
        if keep < 4:
            raise VideoError(
                f"The prefix has {len(picked)} frames at {fps} fps and MAGI-1 needs four. Pass a "
                "longer video, or one frame as an image."
            )
        picked = picked[:keep] if quirks.first_frames else picked[-keep:]
        frames = frames[picked]
    return resize(frames, *size, mode="stretch" if quirks.stretch else "fit")


def _counted_back(count: int, rate: Fraction | float, fps: float) -> NDArray[np.intp]:
    """Frames at the model's rate, counted back from the last one so that it is kept."""
    outputs = math.floor(count * float(fps) / float(rate) + 1e-6)
    steps = np.floor(np.arange(outputs) * (float(rate) / fps) + 1e-6).astype(np.intp)
    indices: NDArray[np.intp] = (count - 1 - steps)[::-1]
    return indices


def to_pixels(frames: UInt8Array) -> Tensor:
    """uint8 [T, H, W, 3] to (1, 3, T, H, W) float32 in [-1, 1]."""
    # A copy: frames of a clip are read-only, which torch does not support.
    pixels = torch.from_numpy(frames.astype(np.float32)) / 127.5 - 1
    return pixels.permute(3, 0, 1, 2)[None]


def to_frames(pixels: Tensor) -> UInt8Array:
    """(1, 3, T, H, W) in about [-1, 1] to uint8 [T, H, W, 3]; truncated, as the original does."""
    scaled = (pixels[0].float() * 127.5 + 127.5).clamp(0, 255).to(torch.uint8)
    frames: UInt8Array = scaled.permute(1, 2, 3, 0).cpu().numpy()
    return frames


def encode_prefix(vae: AutoencoderKLMagi, frames: UInt8Array, scale: float) -> Tensor:
    """Scaled latents (1, z, P, h, w) float32 of uint8 frames [T, H, W, 3], tile by tile."""
    pixels = to_pixels(frames).to(vae.device)
    channels = vae.shape.latent_channels
    means = [moments[:, :channels].float() for moments in vae.encode_pieces(pixels)]
    return torch.cat(means, dim=2) * scale


def decode_frames(
    vae: AutoencoderKLMagi, latents: Tensor, scale: float, *, short_tail: bool
) -> Iterator[UInt8Array]:
    """uint8 frames of scaled latents (1, z, T', h, w), one temporal tile after the other."""
    latents = (latents.float() / scale).to(vae.device)
    for pixels in vae.decode_pieces(latents, trim_single=short_tail):
        yield to_frames(pixels)


def _round_half_up(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))
