"""Names and shapes of the parameters: the original checkpoints' beside ours."""

from __future__ import annotations

from collections.abc import Mapping

from phyrefine.magi.config import MagiConfig

# Ours to the original's, outside the layers.
_GLOBAL_NAMES: Mapping[str, str] = {
    "patch_embed.weight": "x_embedder.weight",
    "time_embed.linear_1.weight": "t_embedder.mlp.0.weight",
    "time_embed.linear_1.bias": "t_embedder.mlp.0.bias",
    "time_embed.linear_2.weight": "t_embedder.mlp.2.weight",
    "time_embed.linear_2.bias": "t_embedder.mlp.2.bias",
    "caption_embed.null_embedding": "y_embedder.null_caption_embedding",
    "caption_embed.proj.weight": "y_embedder.y_proj_xattn.0.weight",
    "caption_embed.proj.bias": "y_embedder.y_proj_xattn.0.bias",
    "caption_embed.condition_proj.weight": "y_embedder.y_proj_adaln.0.weight",
    "caption_embed.condition_proj.bias": "y_embedder.y_proj_adaln.0.bias",
    "rotary.bands": "rope.bands",
    "norm_out.weight": "videodit_blocks.final_layernorm.weight",
    "norm_out.bias": "videodit_blocks.final_layernorm.bias",
    "proj_out.weight": "final_linear.linear.weight",
}

# Modules of a layer, ours to the original's.
_LAYER_MODULES: Mapping[str, str] = {
    "norm1": "self_attention.linear_qkv.layer_norm",
    "attn.to_q": "self_attention.linear_qkv.q",
    "attn.to_q_text": "self_attention.linear_qkv.qx",
    "attn.to_k": "self_attention.linear_qkv.k",
    "attn.to_v": "self_attention.linear_qkv.v",
    "attn.to_kv_text": "self_attention.linear_kv_xattn",
    "attn.to_out": "self_attention.linear_proj",
    "attn.norm_q": "self_attention.q_layernorm",
    "attn.norm_k": "self_attention.k_layernorm",
    "attn.norm_q_text": "self_attention.q_layernorm_xattn",
    "attn.norm_k_text": "self_attention.k_layernorm_xattn",
    "gate": "ada_modulate_layer.proj.0",
    "norm1_post": "self_attn_post_norm",
    "norm2": "mlp.layer_norm",
    "ff.fc1": "mlp.linear_fc1",
    "ff.fc2": "mlp.linear_fc2",
    "norm2_post": "mlp_post_norm",
}

_HIGH_PRECISION_MODULES = {"attn.norm_q", "attn.norm_k", "norm1_post", "norm2_post"}


def original_name(name: str) -> str:
    """The original checkpoint's name of one of our parameters.

    >>> original_name("blocks.3.attn.to_q.weight")
    'videodit_blocks.layers.3.self_attention.linear_qkv.q.weight'
    """
    if name in _GLOBAL_NAMES:
        return _GLOBAL_NAMES[name]
    _, index, rest = name.split(".", 2)
    module, leaf = rest.rsplit(".", 1)
    return f"videodit_blocks.layers.{index}.{_LAYER_MODULES[module]}.{leaf}"


def kept_in_float32(name: str) -> bool:
    """Whether one of our parameters is float32 whatever the model's dtype is."""
    if name in _GLOBAL_NAMES:
        return True
    return name.split(".", 2)[2].rsplit(".", 1)[0] in _HIGH_PRECISION_MODULES


def parameter_shapes(config: MagiConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of all parameters of a checkpoint by their original names, without fp8 scales."""
    import torch

    from phyrefine.magi.model.transformer import MagiTransformer3DModel

    with torch.device("meta"):
        model = MagiTransformer3DModel.from_shape(config)
    return {original_name(k): tuple(p.shape) for k, p in model.named_parameters()}
