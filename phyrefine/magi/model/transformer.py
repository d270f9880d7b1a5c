"""The MAGI-1 diffusion transformer, as a diffusers model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models._modeling_parallel import ContextParallelInput, ContextParallelOutput
from diffusers.models.attention import AttentionMixin
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from phyrefine.magi.config import MagiConfig
from phyrefine.magi.model.block import MagiBlock
from phyrefine.magi.model.cache import Captions, ChunkCache
from phyrefine.magi.model.embeddings import CaptionEmbed, PatchEmbed, RotaryEmbed, TimeEmbed
from phyrefine.magi.model.layout import Layout, Row, layout_of
from phyrefine.magi.model.linears import Fp8Linear, FullLinear
from phyrefine.magi.model.norms import ZeroCenteredLayerNorm
from phyrefine.magi.model.precision import stream_dtype
from phyrefine.magi.model.products import CPU_TOKENS

_LATENT_CHANNELS = 16
_MAX_ROTARY_TABLES = 32


class MagiTransformer3DModel(ModelMixin, ConfigMixin, AttentionMixin):  # type: ignore[misc]
    """Velocity of flow matching for packed chunks of video latents.

    The arguments are the fields of `phyrefine.magi.config.MagiConfig`. Parameters that MAGI-1
    needs in float32 stay so under ``from_pretrained(..., torch_dtype=torch.bfloat16)``.

    Attributes:
        max_tokens: Tokens handled at once outside attention; bounds the memory of activations.
            On a CPU groups are smaller anyway, for speed.
    """

    _supports_gradient_checkpointing = False
    _no_split_modules = ["MagiBlock"]
    _repeated_blocks = ["MagiBlock"]
    _keep_in_fp32_modules = [
        "patch_embed",
        "time_embed",
        "caption_embed",
        "rotary",
        "norm_q",
        "norm_k",
        "norm1_post",
        "norm2_post",
        "norm_out",
        "proj_out",
        "weight_scale",
        "input_scale",
        "smooth_scale",
    ]
    _skip_layerwise_casting_patterns = ["embed", "rotary", "norm", "proj_out"]
    _cp_plan = {
        "patch_embed": {0: ContextParallelInput(split_dim=1, expected_dims=3, split_output=True)},
        "rotary": {0: ContextParallelInput(split_dim=1, expected_dims=3, split_output=True)},
        "proj_out": ContextParallelOutput(gather_dim=1, expected_dims=3),
    }

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        num_layers: int = 34,
        hidden_size: int = 3072,
        ffn_hidden_size: int = 12288,
        num_attention_heads: int = 24,
        num_query_groups: int = 8,
        attention_head_dim: int = 128,
        gated_linear_unit: bool = False,
        half_channel_vae: bool = False,
        x_rescale_factor: float = 1.0,
        caption_channels: int = 4096,
        caption_max_length: int = 800,
        eps: float = 1e-6,
        quantized: bool = False,
        distilled: bool = False,
    ) -> None:
        super().__init__()
        self.shape = shape = MagiConfig(**{k: v for k, v in self.config.items() if k[0] != "_"})
        d, c = hidden_size, shape.condition_size
        self.patch_embed = PatchEmbed(shape.latent_channels, d)
        self.time_embed = TimeEmbed(c)
        self.caption_embed = CaptionEmbed(caption_channels, caption_max_length, d, c)
        self.rotary = RotaryEmbed(attention_head_dim)
        self.blocks = nn.ModuleList(
            MagiBlock(shape, fp8=quantized and 0 < index < num_layers - 1)
            for index in range(num_layers)
        )
        self.norm_out = ZeroCenteredLayerNorm(d, eps)
        self.proj_out = FullLinear(d, 4 * shape.latent_channels, bias=False)
        self.max_tokens = 32768
        self._tables: dict[tuple[object, ...], Tensor] = {}

    @torch.no_grad()
    def forward(
        self,
        hidden_states: Tensor,
        rows: Sequence[Row],
        captions: Captions,
        cache: ChunkCache | None = None,
        step_size: float | None = None,
    ) -> Tensor:
        """Velocities of the rows that want one.

        Args:
            hidden_states: (N, 16, T, h, w) float32 latents, one chunk per row; h, w even.
            rows: What each row is and sees.
            captions: Text of the rows.
            cache: Keys and values of earlier chunks; rows marked ``stored`` are added.
            step_size: What a distilled network is told; see `schedule.step_size`.

        Returns:
            (wanted rows, 16, T, h, w) float32.
        """
        layout = layout_of(rows)
        inner = (
            layout
            if all(row.wanted for row in rows)
            else layout.narrowed([row.wanted for row in rows])
        )
        T, h, w = hidden_states.shape[2:]
        device, stream = hidden_states.device, stream_dtype(self.dtype)
        condition = self._condition(rows, captions, step_size, stream, device)
        latents = hidden_states.float() * self.shape.x_rescale_factor
        if self.shape.half_channel_vae:
            latents = torch.cat([latents, latents], dim=1)
        x = self.patch_embed(latents).to(stream)
        angles = self._angles(rows, T, h // 2, w // 2)
        most = min(self.max_tokens, CPU_TOKENS) if x.device.type == "cpu" else self.max_tokens
        group_size = max(1, most // x.shape[1])
        cached = range(*layout.cached)
        last = len(self.blocks) - 1
        for index, block in enumerate(self.blocks):
            past = cache.past(cached, index, x.device) if cache is not None and cached else []
            x, fresh, text = block(
                x,
                condition,
                angles,
                past,
                captions.projected,
                captions.layer(index),
                captions.segments,
                inner if index == last else layout,
                group_size,
            )
            captions.remember(index, text)
            if cache is not None:
                _store(cache, rows, index, fresh)
        return self._velocity(x, inner, (T, h, w)).to(device)

    def _condition(
        self,
        rows: Sequence[Row],
        captions: Captions,
        step_size: float | None,
        dtype: torch.dtype,
        device: torch.device,
    ) -> Tensor:
        rounding = self.dtype
        times = torch.tensor([row.time for row in rows], dtype=torch.float32, device=device)
        embedded = self.time_embed(times, rounding)
        if step_size is not None:
            embedded = embedded + self.time_embed(torch.full_like(times, step_size), rounding)
        null = torch.tensor([row.null for row in rows], device=device)
        fresh = captions.projected is None
        features = captions.features if fresh else captions.features[:0]
        text, tokens = self.caption_embed(features.to(device, torch.float32), null)
        if fresh:
            captions.projected = text.to(dtype)
        condition: Tensor = (embedded + tokens).to(dtype)
        return condition

    def _angles(self, rows: Sequence[Row], frames: int, height: int, width: int) -> Tensor:
        """(2, N, m, 1, 3 (e // 8)); tables of a chunk are kept between calls."""
        tables = []
        for row in rows:
            device = self.rotary.bands.device
            key = (row.chunk, frames, height, width, device, self._parallel_config is None)
            if key not in self._tables:
                while len(self._tables) >= _MAX_ROTARY_TABLES:
                    del self._tables[next(iter(self._tables))]
                self._tables[key] = self.rotary(row.chunk, frames, height, width)
            tables.append(self._tables[key])
        return torch.stack(tables, dim=1).unsqueeze(-2)

    def _velocity(self, x: Tensor, layout: Layout, size: tuple[int, int, int]) -> Tensor:
        T, h, w = size
        if not layout.rows:
            return x.new_zeros((0, _LATENT_CHANNELS, T, h, w), dtype=torch.float32)
        patches = self.proj_out(self.norm_out(x.float()))
        patches = patches.unflatten(-1, (2, 2, -1)).unflatten(1, (T, h // 2, w // 2))
        video = patches.permute(0, 6, 1, 2, 4, 3, 5).reshape(len(layout.rows), -1, T, h, w)
        velocity: Tensor = video[:, :_LATENT_CHANNELS] / self.shape.x_rescale_factor
        return velocity

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> MagiTransformer3DModel:
        """`ModelMixin.from_pretrained`, with fp8 weights as they were saved.

        diffusers casts them to ``torch_dtype`` on the way; every float8 value is exact there.
        """
        model: MagiTransformer3DModel = super().from_pretrained(*args, **kwargs)
        for module in model.modules():
            if isinstance(module, Fp8Linear):
                module.weight.data = module.weight.data.to(torch.float8_e4m3fn)
        return model

    @classmethod
    def from_shape(cls, shape: MagiConfig) -> MagiTransformer3DModel:
        """A model of the given shape, with initial weights."""
        model: MagiTransformer3DModel = cls(**attrs.asdict(shape))
        return model


def _store(cache: ChunkCache, rows: Sequence[Row], layer: int, fresh: Tensor) -> None:
    for position, row in enumerate(rows):
        if row.stored:
            cache.store(row.chunk, layer, fresh[position])
