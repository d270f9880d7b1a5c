"""Reading the network's weights in the original layout."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from phyrefine.errors import InvalidInputError
from phyrefine.magi.config import MagiConfig
from phyrefine.magi.model.transformer import MagiTransformer3DModel
from phyrefine.magi.weights.names import kept_in_float32, original_name
from phyrefine.magi.weights.tensors import read_tensors, weight_files

_MOST_NAMED = 8


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
    check_names(set(ours), seen, folder, quantized=shape.quantized)
    model.requires_grad_(False)
    return model


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
    assign(model, name, tensor.to(device, target), folder)


def assign(model: nn.Module, name: str, tensor: Tensor, folder: Path) -> None:
    """Put a tensor in the place of a parameter.

    Raises:
        InvalidInputError: It has another shape.
    """
    path, _, leaf = name.rpartition(".")
    module = model.get_submodule(path)
    wanted = tuple(getattr(module, leaf).shape)
    if tuple(tensor.shape) != wanted:
        raise InvalidInputError(
            f"{name!r} in {folder} has shape {tuple(tensor.shape)}, the configuration asks for "
            f"{wanted}. The weights belong to another configuration."
        )
    setattr(module, leaf, nn.Parameter(tensor, requires_grad=False))


def check_names(
    expected: set[str], seen: set[str], folder: Path, *, quantized: bool | None = None
) -> None:
    """Refuse tensors that are missing or unexpected.

    Raises:
        InvalidInputError: Names the first of them.
    """
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
