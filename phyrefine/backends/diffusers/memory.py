"""Memory: modes of a diffusers pipeline, and data types by device."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from phyrefine.backends.diffusers.families.spec import FamilySpec
from phyrefine.backends.diffusers.modular import check_mode
from phyrefine.errors import InvalidInputError

MemoryMode = Literal["fast", "balanced", "tight"]
MODES: tuple[MemoryMode, ...] = ("fast", "balanced", "tight")
DENOISERS = ("transformer", "transformer_2")
# Frames whose longer side is below this are decoded whole: tiles of them are smaller than kernels.
TILE_FROM_PIXELS = 256


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
    check_mode(mode, pipe)
    if hasattr(pipe, "remove_all_hooks"):
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

    for name in DENOISERS:
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
