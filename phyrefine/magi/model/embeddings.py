"""What enters the blocks: patches, rotary positions, the condition and the caption."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Patches of the grid the rotary bands were laid out for (a 16 x 16 grid), as an area.
_ROTARY_AREA = 256.0
# Times in [0, 1] are stretched by this before the sinusoids.
_TIME_FACTOR = 1000.0
_TIME_CHANNELS = 256


class PatchEmbed(nn.Conv3d):
    """2 x 2 spatial patches to tokens, in float32.

    Args:
        in_channels: Latent channels, 16 or 32.
        hidden_size: Token width d.
    """

    def __init__(self, in_channels: int, hidden_size: int) -> None:
        super().__init__(in_channels, hidden_size, (1, 2, 2), (1, 2, 2), bias=False)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch names it so
        """(N, C, T, h, w) to (N, T h/2 w/2, d), tokens in order (t, h, w)."""
        N, C, T, h, w = input.shape
        # Kernel equals stride, so the convolution is a product with flattened patches; the
        # channel order (C, 1, 2, 2) is the weight's.
        patches = input.reshape(N, C, T, h // 2, 2, w // 2, 2).permute(0, 2, 3, 5, 1, 4, 6)
        return F.linear(patches.reshape(N, -1, C * 4), self.weight.flatten(1))


@functools.cache
def _time_frequencies() -> Tensor:
    # Angles reach thousands of radians, so one float32 ulp of a frequency shows in the sinusoids.
    # Libraries' float32 exp differ by that much between processors; the correctly rounded value
    # is the same everywhere.
    half = _TIME_CHANNELS // 2
    exponents = -math.log(10000) * torch.arange(half, dtype=torch.float32) / half
    return torch.exp(exponents.double()).float()


class TimeEmbed(nn.Module):
    """Sinusoids of the time, then a two-layer network in float32.

    Args:
        size: Width c of the condition.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(_TIME_CHANNELS, size)
        self.linear_2 = nn.Linear(size, size)

    def forward(self, times: Tensor, rounding: torch.dtype) -> Tensor:
        """(N) float32 to (N, c) float32; the sinusoids are rounded to ``rounding``."""
        # In this order: the stretched angle is what the original rounds, up to 8000 radians.
        angles = times[:, None] * _time_frequencies().to(times.device) * _TIME_FACTOR
        waves = torch.cat([angles.cos(), angles.sin()], dim=-1).to(rounding).float()
        embedded: Tensor = self.linear_2(F.silu(self.linear_1(waves)))
        return embedded


class CaptionEmbed(nn.Module):
    """Text features for cross-attention, and the two prompt-independent condition tokens.

    Args:
        channels: Width of the text features.
        length: Rows of the null caption.
        hidden_size: Token width d.
        condition_size: Width c of the condition.
    """

    def __init__(self, channels: int, length: int, hidden_size: int, condition_size: int) -> None:
        super().__init__()
        self.null_embedding = nn.Parameter(torch.zeros(length, channels))
        self.proj = nn.Linear(channels, hidden_size)
        self.condition_proj = nn.Linear(channels, condition_size)

    def forward(self, features: Tensor, null: Tensor) -> tuple[Tensor, Tensor]:
        """Project text features, and pick the condition token of each row.

        The condition never sees the prompt: it takes the last row of the null caption for the
        null caption, and the second to last for every prompt.

        Args:
            features: (tokens, channels) float32.
            null: (N) bool.

        Returns:
            (tokens, d) and (N, c), float32.
        """
        tokens = self.condition_proj(self.null_embedding[-2:])
        return F.silu(self.proj(features)), tokens[null.long()]


class RotaryEmbed(nn.Module):
    """Rotary angles from learned frequency bands: time uncentered, rows and columns centered.

    Args:
        head_dim: Width e of a head; ``e // 8`` bands per axis.
    """

    bands: Tensor

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        count = head_dim // 8
        initial = 10000.0 ** (-torch.arange(count, dtype=torch.float32) / count)
        self.bands = nn.Parameter(initial, requires_grad=False)

    def forward(self, chunk: int, frames: int, rows: int, columns: int) -> Tensor:
        """Angles of one chunk.

        Args:
            chunk: Absolute index; its first frame is at time ``chunk * frames``.
            frames: Latent frames per chunk.
            rows: Patch rows.
            columns: Patch columns.

        Returns:
            (2, frames rows columns, 3 (e // 8)) float32: cosines, then sines.
        """
        bands = self.bands.float()
        times = torch.arange(frames, dtype=torch.float32, device=bands.device) + chunk * frames
        ratio = math.sqrt(rows * columns / _ROTARY_AREA)
        grid = torch.meshgrid(
            times,
            _centered(rows, ratio, bands.device),
            _centered(columns, ratio, bands.device),
            indexing="ij",
        )
        angles = torch.cat([axis.reshape(-1, 1) * bands for axis in grid], dim=-1)
        return torch.stack([angles.cos(), angles.sin()])


def _centered(size: int, ratio: float, device: torch.device) -> Tensor:
    steps = torch.arange(size, dtype=torch.float32, device=device)
    if size == 1:
        return steps
    return (steps - (size - 1) / 2) / (size - 1) * (size / ratio - 1)


def rotate(heads: Tensor, angles: Tensor) -> Tensor:
    """Rotate the first six of eight parts of every head, halves against halves.

    Args:
        heads: (N, m, heads, e) float32.
        angles: (2, N, m, 1, 3 (e // 8)) float32, cosines and sines.

    Returns:
        A new tensor of the same shape.
    """
    size = angles.shape[-1]
    first, second = heads[..., :size], heads[..., size : 2 * size]
    cos, sin = angles[0], angles[1]
    rotated = (
        torch.addcmul(first * cos, second, sin, value=-1),
        torch.addcmul(first * sin, second, cos),
    )
    return torch.cat([*rotated, heads[..., 2 * size :]], dim=-1)
