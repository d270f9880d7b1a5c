"""The MAGI-1 autoencoder (8 x 8 pixels and 4 frames to a latent), as a diffusers model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.attention import AttentionMixin
from diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor

from phyrefine.errors import InvalidInputError
from phyrefine.magi.vae.blocks import VaeShape, VitDecoder, VitEncoder
from phyrefine.magi.vae.tiling import Tiling, decode_pieces, encode_pieces


class AutoencoderKLMagi(ModelMixin, ConfigMixin, AttentionMixin):  # type: ignore[misc]
    """A transformer autoencoder for video. The pipeline uses the mean of its Gaussian.

    The arguments are the fields of `phyrefine.magi.vae.blocks.VaeShape`.

    Attributes:
        tiling: How ``encode`` and ``decode`` cut their input; ``None`` takes it whole.
    """

    _supports_gradient_checkpointing = False
    _no_split_modules = ["VitBlock"]
    _repeated_blocks = ["VitBlock"]
    _skip_layerwise_casting_patterns = ["norm", "patch_embed", "last_layer"]

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        sample_size: int = 256,
        sample_frames: int = 16,
        patch_size: int = 8,
        patch_length: int = 4,
        latent_channels: int = 16,
        embed_dim: int = 1024,
        depth: int = 24,
        num_heads: int = 16,
        mlp_ratio: int = 4,
        scaling_factor: float = 0.18215,
    ) -> None:
        super().__init__()
        fields = {k: v for k, v in self.config.items() if k[0] != "_" and k != "scaling_factor"}
        self.shape = VaeShape(**fields)
        self.scaling_factor = scaling_factor
        self.encoder = VitEncoder(self.shape)
        self.decoder = VitDecoder(self.shape)
        self.tiling: Tiling | None = None

    def enable_tiling(self, tiling: Tiling | None = None) -> None:
        """Work in tiles; the release's sizes by default."""
        self.tiling = tiling or Tiling()

    def disable_tiling(self) -> None:
        """Take videos whole."""
        self.tiling = None

    @torch.no_grad()
    def encode(self, video: Tensor, return_dict: bool = True) -> Any:
        """A Gaussian over latents.

        Args:
            video: (B, 3, T, h, w) in [-1, 1]; T is 1 (an image) or at least 4, frames beyond a
                multiple of 4 are dropped; h and w are multiples of the spatial factor.
            return_dict: Whether to wrap the result.

        Raises:
            InvalidInputError: A size that cannot be encoded.
        """
        moments = torch.cat(list(self.encode_pieces(video)), dim=2)
        posterior = DiagonalGaussianDistribution(moments)
        return AutoencoderKLOutput(latent_dist=posterior) if return_dict else (posterior,)

    @torch.no_grad()
    def decode(self, latents: Tensor, return_dict: bool = True) -> Any:
        """Latents (B, z, T', H', W') to a video (B, 3, T, h, w) in about [-1, 1].

        A single latent frame gives one frame, others give four each; with tiling this holds for
        each temporal tile.
        """
        video = torch.cat(list(self.decode_pieces(latents)), dim=2)
        return DecoderOutput(sample=video) if return_dict else (video,)

    def forward(self, sample: Tensor, return_dict: bool = True) -> Any:
        """Encode to the mean and decode."""
        return self.decode(self.encode(sample).latent_dist.mode(), return_dict=return_dict)

    @torch.no_grad()
    def encode_pieces(self, video: Tensor) -> Iterator[Tensor]:
        """Moments (B, 2 z, t, H', W') of one temporal tile after the other."""
        if video.shape[-1] % self.shape.patch_size or video.shape[-2] % self.shape.patch_size:
            raise InvalidInputError(
                f"A video of {tuple(video.shape[-2:])} pixels cannot be encoded: height and width "
                f"must be multiples of {self.shape.patch_size}."
            )
        if self.tiling is None:
            yield self._encode_tile(video)
        else:
            sizes = self.shape.patch_size, self.shape.patch_length
            yield from encode_pieces(video, self._encode_tile, self.tiling, *sizes)

    @torch.no_grad()
    def decode_pieces(self, latents: Tensor, *, trim_single: bool = True) -> Iterator[Tensor]:
        """Pixels (B, 3, t, h, w) of one temporal tile after the other.

        Args:
            latents: (B, z, T', H', W').
            trim_single: Whether a tile of one latent frame gives one frame or all four.
        """
        decode = self._decode_tile if trim_single else self.decoder
        if self.tiling is None:
            yield decode(latents)
        else:
            sizes = self.shape.patch_size, self.shape.patch_length
            yield from decode_pieces(latents, decode, self.tiling, *sizes)

    def _encode_tile(self, video: Tensor) -> Tensor:
        length = self.shape.patch_length
        frames = video.shape[2]
        if frames == 1:
            moments: Tensor = self.encoder(video.expand(-1, -1, length, -1, -1))[:, :, :1]
            return moments
        if frames < length:
            raise InvalidInputError(
                f"{frames} frames are left for a tile, and {length} make a latent. Pass 1 frame "
                f"or a number of frames that leaves none or at least {length} in the last tile."
            )
        encoded: Tensor = self.encoder(video)
        return encoded

    def _decode_tile(self, latents: Tensor) -> Tensor:
        video: Tensor = self.decoder(latents)
        return video[:, :, :1] if latents.shape[2] == 1 else video
