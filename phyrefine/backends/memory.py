"""Memory: modes, data types by device, and estimates for diffusers pipelines."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import frozen

from phyrefine.backends import families
from phyrefine.backends.family_spec import FamilySpec
from phyrefine.errors import InvalidInputError

MemoryMode = Literal["fast", "balanced", "tight"]
MODES: tuple[MemoryMode, ...] = ("fast", "balanced", "tight")
GIB = 2**30
# Frames whose longer side is below this are decoded whole: tiles of them are smaller than kernels.
TILE_FROM_PIXELS = 256
# Working memory of one pass in bytes per output pixel (frames x height x width) at two bytes per
# value. Fitted to the figures the CogVideoX authors publish for 49 frames of 480x720: 19 GB with
# model offload and 11 GB with VAE tiling, where the largest component weighs about 11 GB.
WORK_BYTES_PER_PIXEL = 500.0
TILED_SHARE = 0.1


def next_mode(mode: MemoryMode | None) -> MemoryMode | None:
    """The mode that needs less memory, or ``None`` when there is none."""
    if mode is None:
        return None
    index = MODES.index(mode) + 1
    return MODES[index] if index < len(MODES) else None


def apply_mode(
    pipe: Any, mode: MemoryMode, device: Any, *, size: tuple[int, int], fp8: bool = False
) -> None:
    """Put a pipeline on its device in a memory mode.

    ``fast``: everything stays on the device. ``balanced``: whole components move to the device
    when they are used (accelerators only), the VAE decodes in tiles and slices. ``tight``: layers
    of every component move when they are used, and the VAE decodes in tiles and slices.

    Args:
        pipe: A diffusers pipeline that nobody else uses.
        mode: See above.
        device: A ``torch.device``.
        size: (height, width) of the model, which decides whether tiling makes sense.
        fp8: Store the denoiser's weights in 8-bit floats and compute in its own type; half the
            memory of 16 bits, at some cost in quality and speed.

    Raises:
        InvalidInputError: Unknown mode.
    """
    if mode not in MODES:
        raise InvalidInputError(f"memory must be one of {', '.join(MODES)}, not {mode!r}.")
    pipe.remove_all_hooks()
    if fp8:
        _cast_to_fp8(pipe)
    _tile(pipe, on=mode != "fast", size=size)
    if mode == "tight":
        _group_offload(pipe, device)
    elif mode == "balanced" and device.type != "cpu":
        pipe.enable_model_cpu_offload(device=device)
    else:
        pipe.to(device)


def _group_offload(pipe: Any, device: Any) -> None:
    import torch

    pipe.to("cpu")
    pipe.enable_group_offload(
        onload_device=device,
        offload_device=torch.device("cpu"),
        offload_type="leaf_level",
        use_stream=device.type == "cuda",
    )


def _tile(pipe: Any, *, on: bool, size: tuple[int, int]) -> None:
    vae = getattr(pipe, "vae", None)
    if vae is None or not on:
        return
    if max(size) >= TILE_FROM_PIXELS and hasattr(vae, "enable_tiling"):
        vae.enable_tiling()
    if hasattr(vae, "enable_slicing"):
        vae.enable_slicing()


def _cast_to_fp8(pipe: Any) -> None:
    import torch

    for name in ("transformer", "transformer_2"):
        model = getattr(pipe, name, None)
        if model is not None:
            model.enable_layerwise_casting(
                storage_dtype=torch.float8_e4m3fn, compute_dtype=model.dtype
            )


# -- devices and types -------------------------------------------------------------------------


def choose_device(device: Any = None) -> Any:
    """A ``torch.device``: the one asked for, else CUDA, else Apple's, else the CPU."""
    import torch

    if device is not None:
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def choose_dtype(spec: FamilySpec, device: Any, dtype: Any = None) -> Any:
    """A ``torch.dtype``: the one asked for, else the best that family and device both know.

    GPUs before Ampere (V100, T4) have no bfloat16 units: a family that also works in float16
    gets that, the others float32. On the CPU the default is float32.

    Raises:
        InvalidInputError: ``dtype`` names no type.
    """
    import torch

    if dtype is not None:
        found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
        if not isinstance(found, torch.dtype):
            raise InvalidInputError(
                f"dtype must be 'float32', 'bfloat16', 'float16' or a torch.dtype, not {dtype!r}."
            )
        return found
    if device.type == "cpu":
        return torch.float32
    for name in spec.dtypes:
        if name != "bfloat16" or _has_bfloat16(device):
            return getattr(torch, name)
    return torch.float32


def _has_bfloat16(device: Any) -> bool:
    import torch

    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return bool(major >= 8 or torch.version.hip)
    try:
        torch.zeros(1, dtype=torch.bfloat16, device=device)
    except (RuntimeError, TypeError):
        return False
    return True


def dtype_table(spec: FamilySpec, dtype: Any, components: Iterable[str]) -> Any:
    """What ``from_pretrained(dtype=...)`` takes: one type, or one by component."""
    import torch

    kept = [name for name in spec.fp32 if name in set(components)]
    if not kept or dtype == torch.float32:
        return dtype
    return {"default": dtype, **dict.fromkeys(kept, torch.float32)}


# -- estimates ---------------------------------------------------------------------------------


@frozen
class MemoryEstimate:
    """How much device memory a generator may need; a rule of thumb, not a measurement.

    Attributes:
        model: Checkpoint.
        family: Family's name.
        dtype: Type of the weights.
        weights: GiB by component.
        peak: GiB by memory mode.
        basis: Where the figures come from.
    """

    model: str
    family: str
    dtype: str
    weights: Mapping[str, float]
    peak: Mapping[str, float]
    basis: str


def estimate_memory(
    model: str,
    *,
    dtype: str = "bfloat16",
    size: tuple[int, int] | None = None,
    num_frames: int | None = None,
) -> MemoryEstimate:
    """Estimate the device memory of a checkpoint in each memory mode, without loading it.

    Weights are counted from the files of a local folder, or taken from the table of published
    parameter counts. Working memory is proportional to the pixels of one pass
    (``WORK_BYTES_PER_PIXEL``).

    Args:
        model: Folder of a diffusers pipeline, or a hub id from the table of families.
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``.
        size: (height, width); by default the family's.
        num_frames: Frames of one pass; by default the family's longest.

    Raises:
        InvalidInputError: Neither a pipeline folder nor a checkpoint of the table.
    """
    bytes_each = {"float32": 4, "bfloat16": 2, "float16": 2}.get(dtype)
    if bytes_each is None:
        raise InvalidInputError(f"dtype must be float32, bfloat16 or float16, not {dtype!r}.")
    spec, counts, basis = _count_parameters(model)
    weights = {
        name: count * (4 if name in spec.fp32 else bytes_each) / GIB
        for name, count in counts.items()
    }
    height, width = size or spec.size
    frames = num_frames or spec.grid.most or 121
    work = frames * height * width * WORK_BYTES_PER_PIXEL * bytes_each / 2 / GIB
    tiled = work * TILED_SHARE
    total, largest = sum(weights.values()), max(weights.values(), default=0.0)
    peak = {"fast": total + work, "balanced": largest + tiled, "tight": 0.1 * largest + tiled}
    return MemoryEstimate(model, spec.name, dtype, weights, peak, basis)


def _count_parameters(model: str) -> tuple[FamilySpec, dict[str, float], str]:
    folder = Path(model)
    index = folder / "model_index.json"
    if index.is_file():
        spec = families.by_class(json.loads(index.read_text())["_class_name"])[0]
        counts: dict[str, float] = {}
        for file in sorted(folder.glob("*/*.safetensors")):
            counts[file.parent.name] = counts.get(file.parent.name, 0) + _parameters_in(file)
        return spec, counts, "weights counted from the files; working memory by rule of thumb"
    for spec in families.FAMILIES:
        for checkpoint in spec.checkpoints:
            if checkpoint.id == model and checkpoint.billions:
                counts = {name: count * 1e9 for name, count in checkpoint.billions.items()}
                return spec, counts, "published parameter counts; working memory by rule of thumb"
    known = [c.id for spec in families.FAMILIES for c in spec.checkpoints if c.billions]
    raise InvalidInputError(
        f"{model!r} is neither a folder with a model_index.json nor one of {', '.join(known)}."
    )


def _parameters_in(file: Path) -> int:
    """Parameters of a safetensors file, from its header."""
    with file.open("rb") as handle:
        (size,) = struct.unpack("<Q", handle.read(8))
        header: dict[str, Any] = json.loads(handle.read(size))
    header.pop("__metadata__", None)
    total = 0
    for entry in header.values():
        count = 1
        for side in entry["shape"]:
            count *= side
        total += count
    return total
