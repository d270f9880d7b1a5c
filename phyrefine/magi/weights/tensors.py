"""Reading safetensors files tensor by tensor, plain or zstd-compressed, without a second copy.

Tensors are read in file order into memory of their own: the peak is the weights and one tensor,
with no mapped pages beside them and no decompressed file on disk.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from phyrefine._optional import require
from phyrefine.errors import InvalidInputError

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "I64": torch.int64,
    "I32": torch.int32,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"
# What git leaves in place of a large file until it is fetched.
_POINTER = b"version https://git-lfs.github.com/spec/"
_LONGEST_HEADER = 100_000_000  # the format's own limit


def weight_files(folder: Path) -> list[Path]:
    """Files of a checkpoint folder: the shards of its index, or the single file.

    A shard may lie there as ``<shard>.zst`` instead, which is looked for first.

    Raises:
        InvalidInputError: The folder holds neither, or a shard is missing.
    """
    index = folder / _INDEX
    if not index.exists():
        single = folder / _SINGLE
        if not single.exists():
            raise InvalidInputError(f"There is neither {_INDEX} nor {_SINGLE} in {folder}.")
        return [single]
    shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    files = []
    for shard in shards:
        packed = folder / f"{shard}.zst"
        files.append(packed if packed.exists() else folder / shard)
        if not files[-1].exists():
            raise InvalidInputError(f"Shard {shard} of {folder} is missing; download it again.")
    return files


def read_tensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors of one file, in the order they lie in it.

    Raises:
        InvalidInputError: The file is damaged or has a dtype of no checkpoint.
    """
    with _opened(path) as stream:
        header, start = _header(stream, path)
        position = 0
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"][0]):
            first, last = entry["data_offsets"]
            if first != position:
                raise InvalidInputError(f"{path} has a gap before {name!r} at {start + position}.")
            yield name, _tensor(stream, entry, path, name)
            position = last


def file_fault(path: Path) -> str | None:
    """What is wrong with a file of a checkpoint, told from its first bytes and its size."""
    if not path.is_file():
        return f"{path} is missing"
    with path.open("rb") as stream:
        start = stream.read(len(_POINTER))
    if start == _POINTER:
        return f"{path} is a git-lfs pointer, not the file itself (run: git lfs pull)"
    size = path.stat().st_size
    if not size:
        return f"{path} is empty"
    if path.suffix != ".safetensors":
        return None
    try:
        with path.open("rb") as stream:
            header, first = _header(stream, path)
    except (InvalidInputError, ValueError) as error:
        return str(error).rstrip(".")
    wanted = first + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    return None if size >= wanted else f"{path} ends {wanted - size} bytes too early"


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of one file, from its header alone."""
    with _opened(path) as stream:
        header, _ = _header(stream, path)
    return {name: tuple(entry["shape"]) for name, entry in header.items()}


def _opened(path: Path) -> IO[bytes]:
    if path.suffix != ".zst":
        return path.open("rb")
    zstandard = require("zstandard", extra="magi", feature="Reading compressed checkpoints")
    reader: IO[bytes] = zstandard.open(path, "rb")
    return reader


def _header(stream: IO[bytes], path: Path) -> tuple[dict[str, Any], int]:
    start = _read(stream, 8, path)
    if _POINTER.startswith(bytes(start)):
        raise InvalidInputError(
            f"{path} is a git-lfs pointer, not the file itself (run: git lfs pull)."
        )
    size = int.from_bytes(start, "little")
    if size > _LONGEST_HEADER:
        raise InvalidInputError(f"{path} is no safetensors file: its header claims {size} bytes.")
    header = json.loads(_read(stream, size, path))
    header.pop("__metadata__", None)
    return header, 8 + size


def _read(stream: IO[bytes], size: int, path: Path) -> bytearray:
    data = bytearray(size)
    _fill(stream, memoryview(data), path)
    return data


def _fill(stream: IO[bytes], view: memoryview, path: Path) -> None:
    read = 0
    while read < len(view):
        count = stream.readinto(view[read:])  # type: ignore[attr-defined]
        if not count:
            raise InvalidInputError(f"{path} ends {len(view) - read} bytes too early.")
        read += count


def _tensor(stream: IO[bytes], entry: dict[str, Any], path: Path, name: str) -> Tensor:
    if entry["dtype"] not in _DTYPES:
        raise InvalidInputError(f"{name!r} in {path} has dtype {entry['dtype']}.")
    dtype, shape = _DTYPES[entry["dtype"]], entry["shape"]
    first, last = entry["data_offsets"]
    if last - first != math.prod(shape) * dtype.itemsize:
        raise InvalidInputError(f"{name!r} in {path} has {last - first} bytes for {shape}.")
    tensor = torch.empty(shape, dtype=dtype)
    if last > first:
        data: Any = tensor.reshape(-1).view(torch.uint8).numpy()
        _fill(stream, memoryview(data), path)
    return tensor
