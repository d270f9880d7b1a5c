"""Reading the weights of the original layout."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from phyrefine.errors import InvalidInputError
from phyrefine.magi.config import MagiConfig
from phyrefine.magi.model.transformer import MagiTransformer3DModel
from phyrefine.magi.vae.autoencoder import AutoencoderKLMagi
from phyrefine.magi.vae.blocks import VaeShape
from phyrefine.magi.weights.names import kept_in_float32, original_name
from phyrefine.magi.weights.parts import VAE_WEIGHTS
from phyrefine.magi.weights.tensors import read_tensors, weight_files

_MOST_NAMED = 8
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


def load_transformer(
    weights: str | Path,
    shape: MagiConfig,
    *,
    dtype: torch.dtype | None = torch.bfloat16,
    device: str | torch.device = "cpu",
) -> MagiTransformer3DModel:
    """A transformer from an original checkpoint folder.

    Tensor by tensor: the peak of memory is the weights and one tensor. Which parameters are
    float32 is decided by their names, whatever the file has them in.

    Args:
        weights: Folder with ``model.safetensors`` or an index and shards (``.zst`` too).
        shape: Shape of the transformer.
        dtype: Dtype of the other parameters; ``None`` keeps the file's.
        device: Where the parameters go.

    Raises:
        InvalidInputError: Parameters are missing or unexpected (they are named), or one has
            another shape.
    """
    folder = Path(weights)
    files = weight_files(folder)
    with torch.device("meta"):
        model: MagiTransformer3DModel = MagiTransformer3DModel.from_shape(shape)
    ours = {original_name(name): name for name in model.state_dict()}
    seen: set[str] = set()
    for file in files:
        for name, tensor in read_tensors(file):
            if name in ours:
                _place(model, ours[name], tensor, dtype, torch.device(device), folder)
            seen.add(name)
    _check_names(set(ours), seen, folder, quantized=shape.quantized)
    model.requires_grad_(False)
    return model


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
            _assign(model, name, target, root)
        seen.add(name)
    _check_names(set(expected), seen, root)
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


def _place(
    model: nn.Module,
    name: str,
    tensor: Tensor,
    dtype: torch.dtype | None,
    device: torch.device,
    folder: Path,
) -> None:
    eight_bits = torch.float8_e4m3fn
    stored, wanted = (held.dtype == eight_bits for held in (tensor, model.get_parameter(name)))
    if stored != wanted:
        raise InvalidInputError(f"{name!r} in {folder} does not fit.{_kinds(quantized=wanted)}")
    fp8 = stored or name.endswith("_scale")
    if kept_in_float32(name):
        target = torch.float32
    else:
        target = tensor.dtype if dtype is None or fp8 else dtype
    _assign(model, name, tensor.to(device, target), folder)


def _assign(model: nn.Module, name: str, tensor: Tensor, folder: Path) -> None:
    path, _, leaf = name.rpartition(".")
    module = model.get_submodule(path)
    wanted = tuple(getattr(module, leaf).shape)
    if tuple(tensor.shape) != wanted:
        raise InvalidInputError(
            f"{name!r} in {folder} has shape {tuple(tensor.shape)}, the configuration asks for "
            f"{wanted}. The weights belong to another configuration."
        )
    setattr(module, leaf, nn.Parameter(tensor, requires_grad=False))


def _check_names(
    expected: set[str], seen: set[str], folder: Path, *, quantized: bool | None = None
) -> None:
    missing, unexpected = sorted(expected - seen), sorted(seen - expected)
    if not missing and not unexpected:
        return
    hint = ""
    if quantized is not None and any(name.endswith("_scale") for name in (*missing, *unexpected)):
        hint = _kinds(quantized=quantized)
    raise InvalidInputError(
        f"The weights in {folder} do not fit.{hint}"
        f"{_listed(' Missing', missing)}{_listed(' Unexpected', unexpected)}"
    )


def _kinds(*, quantized: bool) -> str:
    kinds = ("a full-precision", "an fp8") if quantized else ("an fp8", "a full-precision")
    return f" The folder holds {kinds[0]} checkpoint and the configuration {kinds[1]} one."


def _listed(what: str, names: Iterable[str]) -> str:
    every = list(names)
    if not every:
        return ""
    more = f" and {len(every) - _MOST_NAMED} more" if len(every) > _MOST_NAMED else ""
    return f"{what} ({len(every)}): {', '.join(every[:_MOST_NAMED])}{more}."
