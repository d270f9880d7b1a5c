"""Components of a saved pipeline: how many parameters each has, and its module without weights."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from phyrefine._json import parse_json
from phyrefine.errors import InvalidInputError

INDEXES = ("model_index.json", "modular_model_index.json")
HALVES = frozenset({".fp16", ".bf16"})


@frozen
class Part:
    """One component with weights.

    Attributes:
        name: Its name in the pipeline.
        parameters: Values in its weights and buffers.
        largest: Values in its largest layer, which moves as a whole in memory mode ``tight``.
        module: The component on torch's ``meta`` device, where tensors have shapes and no data;
            ``None`` if its class cannot be built from its configuration here.
    """

    name: str
    parameters: int
    largest: int
    module: Any = None


def index_of(folder: Path) -> Path | None:
    """The index file of a pipeline's folder, or ``None`` if this is no such folder."""
    return next((folder / name for name in INDEXES if (folder / name).is_file()), None)


def parts_of(folder: Path) -> tuple[Part, ...]:
    """Every component of a saved pipeline that has weights.

    Parameters are counted from the headers of the files; where the folder holds configurations
    alone, from modules built on the ``meta`` device.

    Args:
        folder: It holds an index file and a folder for each component.

    Raises:
        InvalidInputError: A component has no weights here and cannot be built.
    """
    index = index_of(folder)
    if index is None:
        raise InvalidInputError(f"{folder} holds no {' or '.join(INDEXES)}.")
    named = parse_json(index.read_text(encoding="utf-8"))
    return tuple(_parts(folder, named))


def part_from(name: str, module: Any) -> Part:
    """The sizes of a module, wherever its tensors are."""
    layers = (_own_values(layer) for layer in module.modules())
    return Part(name, _values(module), max(layers, default=0), module)


def _parts(folder: Path, index: Mapping[str, Any]) -> Iterator[Part]:
    for name, where in index.items():
        config = folder / name / "config.json"
        if not isinstance(where, list) or len(where) < 2 or not config.is_file():
            continue
        module, reason = _without_weights(config.parent, str(where[0]), str(where[1]))
        shapes = [shape for file in _weight_files(config.parent) for shape in _shapes_in(file)]
        built = None if module is None else part_from(name, module)
        if shapes:
            sizes = [math.prod(shape) for shape in shapes]
            yield Part(name, sum(sizes), built.largest if built else max(sizes), module)
        elif built is not None:
            yield built
        else:
            raise InvalidInputError(
                f"{config.parent} holds no .safetensors file, and {where[1]} cannot be built from "
                f"its configuration: {reason}"
            )


def _without_weights(folder: Path, library: str, kind: str) -> tuple[Any, str]:
    """A component on the ``meta`` device, or ``None`` and why there is none."""
    import torch

    found = _class_of(library, kind)
    if found is None:
        return None, f"{library}.{kind} is not known here."
    try:
        with torch.device("meta"):
            if hasattr(found, "config_class"):
                return found(found.config_class.from_pretrained(str(folder))), ""
            return found.from_config(found.load_config(str(folder))), ""
    # Third-party constructors raise anything; the headers of the files are the other source.
    except Exception as error:  # noqa: BLE001
        return None, (str(error).splitlines() or [type(error).__name__])[0]


def _class_of(library: str, kind: str) -> Any:
    """A class by an index's words: a package, or a module of diffusers' pipelines."""
    import diffusers
    import transformers

    packages = {"diffusers": diffusers, "transformers": transformers}
    home = packages.get(library) or getattr(diffusers.pipelines, library, None)
    return getattr(home, kind, None)


# -- counting ----------------------------------------------------------------------------------


def _values(module: Any) -> int:
    return sum(tensor.numel() for tensor in _tensors(module, recurse=True))


def _own_values(layer: Any) -> int:
    return sum(tensor.numel() for tensor in _tensors(layer, recurse=False))


def _tensors(module: Any, *, recurse: bool) -> Iterator[Any]:
    """Parameters and buffers; tied ones once."""
    yield from module.parameters(recurse=recurse)
    yield from module.buffers(recurse=recurse)


def _weight_files(folder: Path) -> list[Path]:
    """Weights of a component, without second copies in half precision."""
    files = sorted(folder.glob("*.safetensors"))
    return [file for file in files if not HALVES & set(file.suffixes)] or files


def _shapes_in(file: Path) -> list[list[int]]:
    """Shapes of the tensors in a safetensors file, from its header."""
    with file.open("rb") as handle:
        (size,) = struct.unpack("<Q", handle.read(8))
        header: dict[str, Any] = parse_json(handle.read(size))
    return [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
