"""The network and the autoencoder of a layout, the original's or ours."""

from __future__ import annotations

import torch

from phyrefine.magi.model.transformer import MagiTransformer3DModel
from phyrefine.magi.vae.autoencoder import AutoencoderKLMagi
from phyrefine.magi.weights.autoencoder import load_vae
from phyrefine.magi.weights.checkpoint import load_transformer
from phyrefine.magi.weights.memory import Memory, stream_blocks
from phyrefine.magi.weights.places import Layout


def load_network(
    layout: Layout, dtype: torch.dtype, plan: Memory, device: torch.device
) -> MagiTransformer3DModel:
    """The network, where the plan wants it."""
    home = torch.device("cpu") if plan.stream_blocks else device
    if layout.original:
        shape = layout.variant.model
        network = load_transformer(layout.weights, shape, dtype=dtype, device=home)
    else:
        saved = {"torch_dtype": dtype, "local_files_only": True}
        network = MagiTransformer3DModel.from_pretrained(layout.weights, **saved).to(home)
    if plan.stream_blocks:
        stream_blocks(network, device)
    return network


def load_autoencoder(layout: Layout, dtype: torch.dtype, device: torch.device) -> AutoencoderKLMagi:
    """The autoencoder."""
    if layout.original:
        return load_vae(layout.vae, dtype=dtype, device=device)
    saved = {"torch_dtype": dtype, "local_files_only": True}
    loaded: AutoencoderKLMagi = AutoencoderKLMagi.from_pretrained(layout.vae, **saved).to(device)
    return loaded
