"""Working memory of one pass: what the denoiser and the VAE's decoder hold beside their weights."""

from __future__ import annotations

from typing import Any

from attrs import frozen

# Tensors of (tokens x width) that a denoiser holds at once. Ran on the meta device, two layers at
# full width give 14.7 (CogVideoX 5B), 15.8 (Cosmos 1 7B), 16.7 (Wan 14B), 18.0 (Wan 1.3B), 21.5
# (LTX 2B) and 21.6 (HunyuanVideo): benchmarks/denoiser_memory.py.
TENSORS_AT_ONCE = 20.0
FLOAT32 = 4


@frozen
class Grid:
    """What a VAE makes of latents.

    Attributes:
        channels: Of the latents.
        time: Frames that one further latent adds.
        first: Frames that one latent alone gives.
        space: Pixels along one side of a latent.
    """

    channels: int
    time: int
    first: int
    space: int

    def latents(self, frames: int, size: tuple[int, int]) -> tuple[int, int, int]:
        """(time, height, width) of the latents of so many frames of (height, width) pixels."""
        count = 1 + max(0, -(-(frames - self.first) // self.time))
        return count, size[0] // self.space, size[1] // self.space


def grid_of(vae: Any) -> Grid:
    """How a VAE on the ``meta`` device scales, by decoding three and five small latents."""
    config = vae.config
    channels = int(getattr(config, "z_dim", None) or config.latent_channels)
    fewer, more = (_decode(vae, channels, (count, 4, 4)).shape for count in (3, 5))
    time = int(more[2] - fewer[2]) // 2
    return Grid(channels, time, int(fewer[2]) - 2 * time, int(fewer[3]) // 4)


def decoding_values(vae: Any, grid: Grid, latents: tuple[int, int, int], *, tiled: bool) -> float:
    """Values that decoding holds at once, by running the decoder on the ``meta`` device.

    In tiles: those of one tile, and the whole result twice, as tiles are kept and joined.

    Args:
        vae: On the ``meta`` device, in float32.
        grid: Of this VAE.
        latents: (time, height, width).
        tiled: Whether it decodes in tiles.
    """
    from phyrefine.backends.diffusers.sizing.live import peak_bytes

    if not tiled:
        return float(peak_bytes(lambda: _decode(vae, grid.channels, latents)) / FLOAT32)
    vae.enable_tiling()
    count, height, width = latents
    tile = count, min(height, _tile(vae, "height", grid)), min(width, _tile(vae, "width", grid))
    one: float = peak_bytes(lambda: _decode(vae, grid.channels, tile)) / FLOAT32
    whole = 3 * (grid.first + grid.time * (count - 1)) * height * width * grid.space**2
    return one + (2 * whole if tile != latents else 0)


def denoising_values(
    config: Any, latents: tuple[int, int, int], *, prompt: int, batch: int
) -> float:
    """Values that one layer of the denoiser holds at once: tokens by width, several times.

    Args:
        config: The denoiser's.
        latents: (time, height, width).
        prompt: Tokens of the prompt.
        batch: Clips worked on at once.

    Raises:
        AttributeError: The configuration names no width.
    """
    patch = getattr(config, "patch_size", None) or getattr(config, "latent_patch_size", 1)
    sides = tuple(patch) if isinstance(patch, list | tuple) else (1, patch, patch)
    time = getattr(config, "patch_size_t", None) or sides[0]
    tokens = (-(-latents[0] // time)) * (latents[1] // sides[1]) * (latents[2] // sides[2])
    return float(TENSORS_AT_ONCE * batch * (tokens + prompt) * _width(config))


def _width(config: Any) -> int:
    heads = getattr(config, "num_attention_heads", None)
    each = getattr(config, "attention_head_dim", None)
    if heads and each:
        return int(heads) * int(each)
    for name in ("hidden_size", "model_dim", "dim"):
        if getattr(config, name, None):
            return int(getattr(config, name))
    raise AttributeError("no width")


def _tile(vae: Any, side: str, grid: Grid) -> int:
    """Latents along one side of a tile."""
    found = getattr(vae, f"tile_latent_min_{side}", None)
    return int(found or getattr(vae, f"tile_sample_min_{side}") // grid.space)


def _decode(vae: Any, channels: int, latents: tuple[int, int, int]) -> Any:
    import torch

    values = torch.empty(1, channels, *latents, device="meta")
    timed = getattr(vae.config, "timestep_conditioning", False)
    time = [torch.empty(1, device="meta")] if timed else []
    return vae.decode(values, *time, return_dict=False)[0]
