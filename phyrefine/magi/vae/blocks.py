"""Vision-transformer halves of the MAGI-1 autoencoder."""

from __future__ import annotations

import torch
from attrs import frozen
from diffusers.models.attention import AttentionModuleMixin
from torch import Tensor, nn
from torch.nn import functional as F

from phyrefine.magi.model.attention import MagiAttentionProcessor
from phyrefine.magi.model.linears import StreamLinear
from phyrefine.magi.model.norms import PlainLayerNorm
from phyrefine.magi.model.precision import stream_dtype

_NORM_EPS = 1e-5


@frozen
class VaeShape:
    """Shape of the autoencoder.

    Attributes:
        sample_size: Pixels per side the position table was made for.
        sample_frames: Frames it was made for.
        patch_size: Spatial factor.
        patch_length: Temporal factor.
        latent_channels: Channels z of the latents.
        embed_dim: Token width E.
        depth: Blocks per half.
        num_heads: Attention heads.
        mlp_ratio: Inner width of the feed-forward over E.
    """

    sample_size: int = 256
    sample_frames: int = 16
    patch_size: int = 8
    patch_length: int = 4
    latent_channels: int = 16
    embed_dim: int = 1024
    depth: int = 24
    num_heads: int = 16
    mlp_ratio: int = 4

    @property
    def grid(self) -> tuple[int, int, int]:
        """Tokens (T, H, W) of the position table."""
        side = self.sample_size // self.patch_size
        return self.sample_frames // self.patch_length, side, side

    @property
    def pixel_channels(self) -> int:
        """Channels u of the decoder's volume before its last convolution."""
        return self.embed_dim // (self.patch_size**2 * self.patch_length)


class VitAttention(nn.Module, AttentionModuleMixin):  # type: ignore[misc]
    """Full attention whose queries, keys and values are all normalized per head.

    Args:
        size: Token width E.
        heads: Heads.
    """

    _default_processor_cls = MagiAttentionProcessor
    _available_processors = [MagiAttentionProcessor]
    _supports_qkv_fusion = False

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = StreamLinear(size, 3 * size)
        self.proj = StreamLinear(size, size)
        self.processor = MagiAttentionProcessor()

    def forward(self, x: Tensor) -> Tensor:
        """(B, tokens, E) to the same."""
        dtype = self.proj.weight.dtype
        heads = self.qkv(x).unflatten(-1, (3, self.heads, -1)).float()
        centered = heads - heads.mean(-1, keepdim=True)
        # The epsilon stands beside the standard deviation, not inside the variance.
        spread = centered.square().mean(-1, keepdim=True).sqrt() + 1e-5
        query, key, value = (centered / spread).to(dtype).unbind(2)
        mixed = self.processor(query, key, value).flatten(2)
        projected: Tensor = self.proj(mixed.to(x.dtype))
        return projected


class VitFeedForward(nn.Module):
    """Two linears with an exact GELU between.

    Args:
        size: Token width E.
        inner: Inner width.
    """

    def __init__(self, size: int, inner: int) -> None:
        super().__init__()
        self.fc1 = StreamLinear(size, inner)
        self.fc2 = StreamLinear(inner, size)

    def forward(self, x: Tensor) -> Tensor:
        """(..., E) to the same."""
        projected: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return projected


class VitBlock(nn.Module):
    """Attention (its input not normalized), then a feed-forward.

    Args:
        shape: Shape of the autoencoder.
    """

    def __init__(self, shape: VaeShape) -> None:
        super().__init__()
        self.attn = VitAttention(shape.embed_dim, shape.num_heads)
        self.norm2 = PlainLayerNorm(shape.embed_dim, _NORM_EPS)
        self.mlp = VitFeedForward(shape.embed_dim, shape.embed_dim * shape.mlp_ratio)

    def forward(self, x: Tensor) -> Tensor:
        """(B, tokens, E) to the same."""
        x = x + self.attn(x)
        mixed: Tensor = x + self.mlp(self.norm2(x))
        return mixed


class VitStem(nn.Module):
    """What both halves share: class token, positions, blocks, norm.

    Args:
        shape: Shape of the autoencoder.
    """

    def __init__(self, shape: VaeShape) -> None:
        super().__init__()
        self.shape = shape
        E, tokens = shape.embed_dim, torch.Size(shape.grid).numel()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, E))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + tokens, E))
        self.blocks = nn.ModuleList(VitBlock(shape) for _ in range(shape.depth))
        self.norm = PlainLayerNorm(E, _NORM_EPS)

    def mix(self, tokens: Tensor, grid: tuple[int, int, int]) -> Tensor:
        """(B, tokens, E) on a (T, H, W) grid to the same, class token included in front."""
        stream = stream_dtype(self.cls_token.dtype)
        classes = self.cls_token.to(stream).expand(tokens.shape[0], -1, -1)
        x = torch.cat([classes, tokens.to(stream)], dim=1) + self._positions(grid).to(stream)
        for block in self.blocks:
            x = block(x)
        normed: Tensor = self.norm(x)
        return normed

    def _positions(self, grid: tuple[int, int, int]) -> Tensor:
        if grid == self.shape.grid:
            return self.pos_embed
        first, rest = self.pos_embed[:, :1], self.pos_embed[:, 1:]
        volume = rest.transpose(1, 2).unflatten(-1, self.shape.grid).float()
        resized = F.interpolate(volume, size=grid, mode="trilinear", align_corners=False)
        return torch.cat([first, resized.flatten(2).transpose(1, 2).to(first.dtype)], dim=1)


class PixelPatchEmbed(nn.Module):
    """Video patches to tokens.

    Args:
        shape: Shape of the autoencoder.
    """

    def __init__(self, shape: VaeShape) -> None:
        super().__init__()
        kernel = (shape.patch_length, shape.patch_size, shape.patch_size)
        self.proj = nn.Conv3d(3, shape.embed_dim, kernel, kernel)

    def forward(self, video: Tensor) -> Tensor:
        """(B, 3, T, h, w) to (B, E, T', H', W')."""
        patches: Tensor = self.proj(video.to(self.proj.weight.dtype))
        return patches


class VitEncoder(VitStem):
    """Pixels to the moments of a Gaussian over latents.

    Args:
        shape: Shape of the autoencoder.
    """

    def __init__(self, shape: VaeShape) -> None:
        super().__init__(shape)
        self.patch_embed = PixelPatchEmbed(shape)
        self.last_layer = StreamLinear(shape.embed_dim, 2 * shape.latent_channels)

    def forward(self, video: Tensor) -> Tensor:
        """(B, 3, T, h, w) in [-1, 1] to moments (B, 2 z, T', H', W')."""
        patches = self.patch_embed(video)
        grid = (patches.shape[2], patches.shape[3], patches.shape[4])
        x = self.mix(patches.flatten(2).transpose(1, 2), grid)
        moments: Tensor = self.last_layer(x)[:, 1:].transpose(1, 2).unflatten(-1, grid)
        return moments


class VitDecoder(VitStem):
    """Latents to pixels.

    Args:
        shape: Shape of the autoencoder.
    """

    def __init__(self, shape: VaeShape) -> None:
        super().__init__(shape)
        self.proj_in = StreamLinear(shape.latent_channels, shape.embed_dim)
        self.last_layer = nn.Conv3d(shape.pixel_channels, 3, 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        """(B, z, T', H', W') to (B, 3, 4 T', 8 H', 8 W') in about [-1, 1]."""
        shape = self.shape
        B, _, T, H, W = latents.shape
        stream = stream_dtype(self.cls_token.dtype)
        tokens = self.proj_in(latents.flatten(2).transpose(1, 2).to(stream))
        x = self.mix(tokens, (T, H, W))[:, 1:]
        patch = (shape.patch_length, shape.patch_size, shape.patch_size)
        volume = x.unflatten(-1, (*patch, -1)).unflatten(1, (T, H, W))
        volume = volume.permute(0, 7, 1, 4, 2, 5, 3, 6)
        volume = volume.reshape(B, -1, T * patch[0], H * patch[1], W * patch[2])
        pixels: Tensor = self.last_layer(volume.to(self.last_layer.weight.dtype))
        return pixels
