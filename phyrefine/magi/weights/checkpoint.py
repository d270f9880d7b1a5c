"""Reading checkpoints: the original layout and our saved form."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs
import torch
from attrs import frozen
from torch import Tensor, nn

from phyrefine._optional import require
from phyrefine.errors import InvalidInputError
from phyrefine.magi.config import (
    MagiConfig,
    Variant,
    parse_config,
    read_config,
    variant_named,
)
from phyrefine.magi.model.transformer import MagiTransformer3DModel
from phyrefine.magi.vae.autoencoder import AutoencoderKLMagi
from phyrefine.magi.vae.blocks import VaeShape
from phyrefine.magi.weights.names import kept_in_float32, original_name
from phyrefine.magi.weights.tensors import read_tensors, weight_files

PIPELINE_FILE = "magi_pipeline.json"
SPECIAL_TOKENS = "special_tokens.npz"
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


@frozen
class Layout:
    """Where the parts of a model lie.

    Attributes:
        variant: Shape and sampling.
        weights: Folder of the transformer's weights.
        vae: Folder of the autoencoder.
        text_encoder: Folder of the text encoder, tokenizer included.
        special_tokens: ``special_tokens.npz``, if it is there.
        original: The original's layout rather than ours.
    """

    variant: Variant
    weights: Path
    vae: Path
    text_encoder: Path
    special_tokens: Path | None
    original: bool


def find_layout(path: str | Path, variant: str | None = None) -> Layout:
    """Find the parts of a model below a folder.

    Args:
        path: The root of the original repository's weights (with ``ckpt/`` or the folders
            ``magi``, ``vae`` and ``t5``), or a folder saved by ``MagiPipeline.save_pretrained``.
        variant: Folder name of the variant; may be left out when there is only one.

    Raises:
        InvalidInputError: A part is not there, or the variant has to be named.
    """
    root = Path(path)
    if (root / PIPELINE_FILE).exists():
        return _own_layout(root)
    base = root / "ckpt" if (root / "ckpt").is_dir() else root
    models = base / "magi"
    if not models.is_dir():
        raise InvalidInputError(
            f"{root} holds no MAGI-1 model: neither {PIPELINE_FILE} (saved by this library) nor "
            "the original's folders magi, vae and t5 (or ckpt/ with these)."
        )
    folder = models / (variant or _only_variant(models))
    if not folder.is_dir():
        raise InvalidInputError(f"There is no variant {variant!r} in {models}.")
    config = folder / "config.json"
    found = read_config(config) if config.exists() else variant_named(folder.name)
    _check_weight_folder(folder, found)
    homes = (root, base, root / "example" / "assets")
    tokens = [home / SPECIAL_TOKENS for home in homes]
    return Layout(
        found,
        folder / found.folder,
        base / "vae",
        base / "t5" / "t5-v1_1-xxl",
        next((file for file in tokens if file.exists()), None),
        original=True,
    )


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
    for name, tensor in read_tensors(root / "diffusion_pytorch_model.safetensors"):
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


def download(
    repo: str, variant: str | None, *, revision: str | None = None, token: str | None = None
) -> Path:
    """Fetch the parts of one variant from the Hugging Face hub; gives the local folder."""
    hub = require("huggingface_hub", extra="magi", feature="Downloading MAGI-1")
    wanted = variant or "4.5B_base"
    patterns = [
        f"ckpt/magi/{wanted}/**",
        "ckpt/vae/**",
        "ckpt/t5/**",
        PIPELINE_FILE,
        "transformer/**",
        "vae/**",
        "text_encoder/**",
        SPECIAL_TOKENS,
    ]
    folder = hub.snapshot_download(repo, revision=revision, token=token, allow_patterns=patterns)
    return Path(folder)


def _own_layout(root: Path) -> Layout:
    saved = json.loads((root / PIPELINE_FILE).read_text(encoding="utf-8"))
    variant = parse_config(saved["config"], name=saved["variant"])
    tokens = root / SPECIAL_TOKENS
    return Layout(
        variant,
        root / "transformer",
        root / "vae",
        root / "text_encoder",
        tokens if tokens.exists() else None,
        original=False,
    )


def _check_weight_folder(folder: Path, variant: Variant) -> None:
    if (folder / variant.folder).is_dir():
        return
    present = sorted(f.name for f in folder.iterdir() if f.name.startswith("inference_weight"))
    kind = "distilled" if variant.model.distilled else "base"
    raise InvalidInputError(
        f"The configuration of {folder} is for a {kind} model, whose weights lie in "
        f"{variant.folder}; the folder holds {', '.join(present) or 'no weights'}. Use the "
        "configuration that belongs to these weights (its fields distill, fp8_quant and "
        "cfg_number)."
    )


def _only_variant(models: Path) -> str:
    names = sorted(folder.name for folder in models.iterdir() if folder.is_dir())
    if len(names) != 1:
        raise InvalidInputError(f"Name the variant: {models} holds {', '.join(names) or 'none'}.")
    return names[0]


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
