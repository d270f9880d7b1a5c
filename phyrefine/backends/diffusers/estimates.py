"""How much device memory a generator may need, before anything is loaded."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from attrs import frozen

from phyrefine.backends.diffusers.families import table as families
from phyrefine.backends.diffusers.families.spec import FamilySpec
from phyrefine.errors import InvalidInputError

GIB = 2**30
# Working memory of one pass in bytes per output pixel (frames x height x width) at two bytes per
# value. Fitted to the figures the CogVideoX authors publish for 49 frames of 480x720: 19 GB with
# model offload and 11 GB with VAE tiling, where the largest component weighs about 11 GB.
WORK_BYTES_PER_PIXEL = 500.0
TILED_SHARE = 0.1


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


def _family_of(folder: Path) -> FamilySpec:
    """The family of a saved pipeline, from its configuration files alone."""
    index = json.loads((folder / "model_index.json").read_text())
    parts: dict[str, Any] = {"config": SimpleNamespace(**index)}
    settings = folder / "transformer" / "config.json"
    if settings.is_file():
        config = SimpleNamespace(**json.loads(settings.read_text()))
        parts["transformer"] = SimpleNamespace(config=config)
    return families.of(SimpleNamespace(**parts), index["_class_name"])


def _count_parameters(model: str) -> tuple[FamilySpec, dict[str, float], str]:
    folder = Path(model)
    if (folder / "model_index.json").is_file():
        spec = _family_of(folder)
        counts: dict[str, float] = {}
        for file in _weight_files(folder):
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


def _weight_files(folder: Path) -> list[Path]:
    """Weights of every component, without second copies in half precision."""
    files = sorted(folder.glob("*/*.safetensors"))
    whole = [file for file in files if not {".fp16", ".bf16"} & set(file.suffixes)]
    kept = {file.parent for file in whole}
    return whole + [file for file in files if file.parent not in kept]


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
