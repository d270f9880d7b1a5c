"""MAGI-1 at full size with random weights, made on the device itself: no checkpoint, no download."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
import torch
from steps import Setting
from torch import Tensor, nn

from phyrefine.magi.config import SamplingConfig, Variant, variant_named
from phyrefine.magi.model.cache import Captions, ChunkCache
from phyrefine.magi.model.embeddings import RotaryEmbed
from phyrefine.magi.model.layout import Row, layout_of
from phyrefine.magi.model.transformer import MagiTransformer3DModel
from phyrefine.magi.sampling.sampler import Sampler, Savings
from phyrefine.magi.vae.autoencoder import AutoencoderKLMagi
from phyrefine.magi.weights.names import kept_in_float32

SIZES = {"480x832": (480, 832), "720x1280": (720, 1280)}
PROMPT_TOKENS, NULL_TOKENS = 120, 50


def variant(name: str, setting: Setting) -> Variant:
    """A released variant; on a CPU one of its kind with three narrow blocks."""
    found = variant_named(name)
    if not setting.tiny:
        return found
    shape = attrs.evolve(
        found.model,
        num_layers=3,
        hidden_size=64,
        ffn_hidden_size=96,
        num_attention_heads=8,
        attention_head_dim=8,
        caption_channels=32,
        caption_max_length=160,
    )
    return attrs.evolve(found, model=shape)


def size_of(size: str, setting: Setting) -> tuple[int, int]:
    """Height and width in pixels."""
    return (32, 48) if setting.tiny else SIZES[size]


def transformer(
    found: Variant, dtype: torch.dtype, device: torch.device | str
) -> MagiTransformer3DModel:
    """The network, every parameter drawn on ``device`` in the dtype it is kept in."""
    with torch.device("meta"):
        model = MagiTransformer3DModel.from_shape(found.model)
    for name, parameter in list(model.named_parameters()):
        fixed = parameter.dtype == torch.float8_e4m3fn or name.endswith("_scale")
        kept = torch.float32 if kept_in_float32(name) else parameter.dtype if fixed else dtype
        path, _, leaf = name.rpartition(".")
        module = model.get_submodule(path)
        if isinstance(module, RotaryEmbed):
            value = RotaryEmbed(found.model.attention_head_dim).bands.to(device)
        else:
            value = _drawn(name, module, parameter, kept, device)
        setattr(module, leaf, nn.Parameter(value, requires_grad=False))
    return model.requires_grad_(False).eval()


def _drawn(
    name: str, module: nn.Module, parameter: Tensor, dtype: torch.dtype, device: torch.device | str
) -> Tensor:
    shape = tuple(parameter.shape)
    if name.endswith("_scale"):
        # Activations of about one and weights of 1 / sqrt(in) then fill the range of e4m3.
        scale = {"weight_scale": 1e-3, "input_scale": 1e-2, "smooth_scale": 1e-2}
        return torch.full(shape, scale[name.rpartition(".")[2]], device=device)
    if len(shape) < 2:
        plain = type(module).__name__ == "PlainLayerNorm" and name.endswith("weight")
        return torch.randn(shape, device=device).mul_(0.05).add_(float(plain)).to(dtype)
    inside = math.prod(shape[1:]) if len(shape) != 3 else shape[-1]
    values = torch.randn(shape, device=device).mul_(inside**-0.5)
    if dtype == torch.float8_e4m3fn:
        values = values.div_(1e-3).clamp_(-448, 448)
    return values.to(dtype)


def autoencoder(
    setting: Setting, dtype: torch.dtype, device: torch.device | str
) -> AutoencoderKLMagi:
    """The autoencoder at full size with random weights, in the release's tiles."""
    tiny = {"embed_dim": 256, "depth": 1, "num_heads": 4, "sample_size": 32, "mlp_ratio": 2}
    with torch.device(device):
        model = AutoencoderKLMagi(**tiny if setting.tiny else {})
    model.enable_tiling()
    made: AutoencoderKLMagi = model.to(dtype).requires_grad_(False).eval()
    return made


def captions(found: Variant, device: torch.device | str) -> Captions:
    """A null caption and one prompt."""
    features = torch.randn(NULL_TOKENS + PROMPT_TOKENS, found.model.caption_channels)
    return Captions(
        features.to(device), [[(0, NULL_TOKENS)], [(NULL_TOKENS, NULL_TOKENS + PROMPT_TOKENS)]]
    )


class _Noting:
    """Stands where the network would, and notes the rows of every call."""

    def __init__(self, found: Variant) -> None:
        self.shape = found.model
        self.calls: list[Sequence[Row]] = []

    def __call__(self, latents, rows, captions, cache, step_size):
        for row in rows:
            if row.stored:
                cache.store(row.chunk, 0, torch.zeros(1))
        self.calls.append(tuple(rows))
        return torch.zeros(sum(row.wanted for row in rows), *latents.shape[1:])


def largest_call(found: Variant, *, pack: bool = True) -> Sequence[Row]:
    """Rows of the call with most rows when 72 frames are continued by 120 at 16 steps."""
    noting = _Noting(found)
    sampling: SamplingConfig = found.sampling.evolve(num_steps=16)
    shape = (16, sampling.chunk_width, 2, 2)
    sampler = Sampler(
        noting,  # type: ignore[arg-type] - it is asked like a network
        sampling,
        num_frames=120,
        noise=lambda _: torch.zeros(shape),
        captions=Captions(torch.zeros(1, 1), [[]]),
        text_of=lambda _: 1,
        prefix=torch.zeros(1, 16, 18, 2, 2),
        savings=Savings(pack=pack),
    )
    for _ in sampler.run():
        pass
    return max(noting.calls, key=len)


def first_row(rows: Sequence[Row]) -> list[Row]:
    """The row that sees most, alone in its call: all it sees is in the cache."""
    widest = max(rows, key=lambda row: row.sees[1] - row.sees[0])
    return [attrs.evolve(widest, sees=(widest.sees[0], widest.chunk + 1), wanted=True)]


def filled_cache(
    found: Variant,
    rows: Sequence[Row],
    tokens: int,
    dtype: torch.dtype,
    device: torch.device | str,
    *,
    offload: bool = False,
) -> ChunkCache:
    """Random keys and values of every chunk that the rows see and do not bring."""
    cache = ChunkCache(offload=offload)
    seen = {chunk for span in layout_of(rows).spans for chunk in range(*span.cached)}
    shape = (2, tokens, found.model.num_query_groups, found.model.attention_head_dim)
    for chunk in sorted(seen):
        for layer in range(found.model.num_layers):
            cache.store(chunk, layer, torch.randn(shape, device=device).to(dtype))
    return cache


def latents(rows: Sequence[Row], size: tuple[int, int], device: torch.device | str) -> Tensor:
    """(rows, 16, 6, h, w) noise."""
    return torch.randn(len(rows), 16, 6, size[0] // 8, size[1] // 8, device=device)


def flops(found: Variant, rows: Sequence[Row], tokens: int) -> float:
    """Operations of a call; captions' keys and values are kept from before."""
    shape = found.model
    d, heads = shape.hidden_size, shape.num_attention_heads * shape.attention_head_dim
    groups, inner = shape.num_query_groups * shape.attention_head_dim, shape.ffn_hidden_size
    total = 0.0
    for row in rows:
        text = PROMPT_TOKENS if row.text else NULL_TOKENS
        products = 2 * tokens * d * (2 * groups + 4 * heads + inner * (2 + shape.gated_linear_unit))
        attended = 4 * tokens * heads * ((row.sees[1] - row.sees[0]) * tokens + text)
        total += shape.num_layers * (products + attended)
    return total
