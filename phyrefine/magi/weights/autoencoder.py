"""Reading the autoencoder's weights in the original layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import torch

from phyrefine.errors import InvalidInputError
from phyrefine.magi.vae.autoencoder import AutoencoderKLMagi
from phyrefine.magi.vae.blocks import VaeShape
from phyrefine.magi.weights.checkpoint import assign, check_names
from phyrefine.magi.weights.parts import VAE_WEIGHTS
from phyrefine.magi.weights.tensors import read_tensors

# Structural flags of the autoencoder that the release sets one way.
_VAE_FLAGS = {
    "double_z": True,
    "in_chans": 3,
    "qkv_bias": True,
    "with_cls_token": True,
    "norm_code": False,
    "ln_in_attn": True,
    "conv_last_layer": True,
    "use_rope": False,
    "use_final_proj": False,
}


def load_vae(
    folder: str | Path,
    *,
    dtype: torch.dtype | None = torch.bfloat16,
    device: str | torch.device = "cpu",
) -> AutoencoderKLMagi:
    """The autoencoder from the original's folder (``config.json`` with ``ddconfig``).

    Raises:
        InvalidInputError: Parameters do not fit, or a structural flag is not the release's.
    """
    root = Path(folder)
    if not (root / "config.json").exists():
        raise InvalidInputError(f"There is no autoencoder in {root} (no config.json).")
    config = json.loads((root / "config.json").read_text(encoding="utf-8"))
    shape = parse_vae_config(config)
    with torch.device("meta"):
        model: AutoencoderKLMagi = AutoencoderKLMagi(**attrs.asdict(shape))
    expected = dict(model.state_dict())
    seen: set[str] = set()
    for name, tensor in read_tensors(root / VAE_WEIGHTS):
        if name in expected:
            target = tensor.to(device, dtype or tensor.dtype)
            assign(model, name, target, root)
        seen.add(name)
    check_names(set(expected), seen, root)
    model.requires_grad_(False).eval()
    return model


def parse_vae_config(config: dict[str, Any]) -> VaeShape:
    """The autoencoder's shape from the original's ``config.json``.

    Raises:
        InvalidInputError: A structural flag has another value than the release's.
    """
    found = config.get("ddconfig", {})
    for name, value in _VAE_FLAGS.items():
        if name in found and found[name] != value:
            raise InvalidInputError(
                f"The autoencoder has {name} = {found[name]!r}; only {value!r} is supported."
            )
    try:
        return VaeShape(
            sample_size=found["video_size"],
            sample_frames=found["video_length"],
            patch_size=found["patch_size"],
            patch_length=found["patch_length"],
            latent_channels=found["z_chans"],
            embed_dim=found["embed_dim"],
            depth=found["depth"],
            num_heads=found["num_heads"],
            mlp_ratio=int(found["mlp_ratio"]),
        )
    except KeyError as error:
        raise InvalidInputError(f"The autoencoder's ddconfig lacks {error}.") from error
