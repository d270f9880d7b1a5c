"""A whole tiny model in the original's layout, from a seed: fits together, means nothing."""

import json
import shutil

import attrs
import numpy as np
import torch
from safetensors.torch import save_file

from phyrefine.magi.config import MagiConfig, SamplingConfig, config_sections
from phyrefine.magi.model.transformer import MagiTransformer3DModel
from phyrefine.magi.vae.autoencoder import AutoencoderKLMagi
from phyrefine.magi.vae.blocks import VaeShape
from phyrefine.magi.weights.names import original_name

from .goldens import DATA

SHAPE = MagiConfig(2, 64, 80, 8, attention_head_dim=8, caption_channels=16)
SAMPLING = SamplingConfig(num_steps=4, height=32, width=48)
VAE = VaeShape(
    sample_size=32,
    sample_frames=16,
    patch_size=8,
    patch_length=4,
    latent_channels=16,
    embed_dim=256,
    depth=1,
    num_heads=4,
    mlp_ratio=2,
)


def write(root, *, distilled=False, seed=5):
    """Write the checkpoint below ``root``; gives ``root``."""
    shape = attrs.evolve(SHAPE, distilled=distilled)
    sampling = attrs.evolve(SAMPLING, passes=1 if distilled else 3)
    model = root / "ckpt" / "magi" / "tiny"
    weights = model / ("inference_weight" + ".distill" * distilled)
    weights.mkdir(parents=True)
    (model / "config.json").write_text(json.dumps(config_sections(shape, sampling)))
    torch.manual_seed(seed)
    network = _random(MagiTransformer3DModel.from_shape(shape))
    save_file({original_name(k): v for k, v in network.items()}, weights / "model.safetensors")
    vae = root / "ckpt" / "vae"
    vae.mkdir()
    fields = attrs.asdict(VAE)
    names = {
        "sample_size": "video_size",
        "sample_frames": "video_length",
        "latent_channels": "z_chans",
    }
    shown = {names.get(name, name): value for name, value in fields.items()}
    (vae / "config.json").write_text(json.dumps({"ddconfig": shown}))
    save_file(_random(AutoencoderKLMagi(**fields)), vae / "diffusion_pytorch_model.safetensors")
    shutil.copytree(DATA / "t5", root / "ckpt" / "t5")
    rng = np.random.default_rng(seed)
    rows = {"caption_token": 1, "logo_token": 1, "other_tokens": 100}
    np.savez(
        root / "special_tokens.npz",
        **{name: rng.standard_normal((count, 16)) for name, count in rows.items()},
    )
    return root


def _random(module):
    """Weights large enough that prompt, noise and history all show in the frames."""
    state = {}
    for name, tensor in module.state_dict().items():
        scale = 0.05 if tensor.ndim < 2 else 1.0 / tensor.shape[-1] ** 0.5
        state[name] = torch.randn(tensor.shape) * scale
    return state
