"""A digest of every byte of a model's weights, computed where they lie.

Integer arithmetic gives the same digest on every device: each 64-bit word is mixed with its
position in a block of 1 MiB, and the words of a block are added up modulo 2**64. It tells weights
apart, in-place changes included; it is no defense against someone who looks for two with the same
digest. One CPU thread reads about 8 GB/s (2026-11-27, one core of a shared x86-64 machine), so the
28 GB of a 14-billion-parameter model in 16 bits take about 8 s (3.3 GB/s, one CPU core).
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Iterator
from typing import Any

from phyrefine.errors import InvalidInputError

# 64-bit words in a block: 1 MiB, which stays in a core's cache.
BLOCK_WORDS = 1 << 17
# Blocks mixed in one go away from the CPU: 128 MiB, and twice that in temporary memory.
BLOCKS_AT_ONCE = 128
# Odd multipliers (splitmix64), as the signed numbers that torch counts in.
_MIX = (-0x61C8864680B583EB, -0x40A7B892E31B1A47)


def digest_of_weights(module: Any) -> str:
    """Names, types, shapes and every byte of the parameters and buffers of a ``torch.nn.Module``.

    Raises:
        InvalidInputError: A weight is on the ``meta`` device and nothing says where it lies.
    """
    import torch

    digest = hashlib.blake2b(digest_size=16)
    sums: list[Any] = []
    for name, tensor in sorted(_weights(module), key=lambda item: item[0]):
        kind = f"{tensor.dtype} {type(tensor).__name__}"
        digest.update(f"{name} {tuple(tensor.shape)} {kind}".encode())
        for plain in _plain(tensor):
            sums += _sums(plain)
    numbers: list[int] = []
    for _, values in itertools.groupby(sums, key=lambda value: value.device):
        numbers += torch.stack(list(values)).tolist()  # one transfer per run of weights on a device
    digest.update(repr(numbers).encode())
    return digest.hexdigest()


def _weights(module: Any) -> Iterator[tuple[str, Any]]:
    """Every parameter and buffer, also those that are not saved, where they truly lie."""
    for prefix, part in module.named_modules():
        held = {**part._parameters, **part._buffers}  # noqa: SLF001 - buffers that are not saved
        for name, tensor in held.items():
            if tensor is None:
                continue
            whole = f"{prefix}.{name}".lstrip(".")
            if tensor.device.type == "meta":
                tensor = _offloaded(part, name, whole)
            yield whole, tensor.detach()


def _offloaded(part: Any, name: str, whole: str) -> Any:
    """A weight that accelerate keeps elsewhere between calls."""
    hook = getattr(part, "_hf_hook", None)
    for one in (hook, *getattr(hook, "hooks", ())):
        kept = getattr(one, "weights_map", None)
        if kept is not None and name in kept:
            return kept[name]
    raise InvalidInputError(
        f"The weight {whole} is on the meta device and nothing says where it lies, so these "
        "weights cannot be told from others. Load the pipeline without that kind of offloading, "
        "or name the weights: DiffusersVideoGenerator(..., label='my weights 1')."
    )


def _plain(tensor: Any) -> Iterator[Any]:
    """The plain tensors that a tensor subclass, as quantization makes them, is made of."""
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None:
        yield tensor
        return
    names, _ = flatten()
    for name in names:
        yield from _plain(getattr(tensor, name))


def _sums(tensor: Any) -> list[Any]:
    """Two int64 numbers per block of a tensor, on its device."""
    import torch

    if not tensor.numel():
        return []
    if tensor.is_sparse or tensor.is_quantized:
        tensor = tensor.coalesce().values() if tensor.is_sparse else tensor.int_repr()
    if tensor.device.type == "mps":
        tensor = tensor.to("cpu")
    data = tensor.contiguous().reshape(-1).view(torch.uint8)
    whole = data.numel() // 8 * 8
    words, rest = data[:whole], data[whole:]
    found = []
    if whole:
        # A view may begin between two words.
        aligned = words.storage_offset() % 8 == 0 and words.data_ptr() % 8 == 0
        found += _block_sums((words if aligned else words.clone()).view(torch.int64))
    if len(rest):
        found += _block_sums(torch.nn.functional.pad(rest, (0, 8 - len(rest))).view(torch.int64))
    return found


def _block_sums(words: Any) -> list[Any]:
    """One number per block: the sum of its words, each mixed with its position."""
    factors = _factors(str(words.device))
    rows = 1 if words.device.type == "cpu" else BLOCKS_AT_ONCE
    full = len(words) // BLOCK_WORDS * BLOCK_WORDS
    found = []
    for blocks in words[:full].view(-1, BLOCK_WORDS).split(rows):
        found += _mixed(blocks, factors).sum(dim=1).unbind()
    if full < len(words):
        found.append(_mixed(words[full:], factors[: len(words) - full]).sum())
    return found


def _mixed(words: Any, factors: Any) -> Any:
    # Multiplying alone would let two flipped sign bits cancel each other.
    product = words * factors
    product ^= product >> 32
    return product


@functools.lru_cache(maxsize=8)
def _factors(device: str) -> Any:
    """An odd number for each position in a block; int64 [BLOCK_WORDS]."""
    import torch

    place = torch.arange(1, BLOCK_WORDS + 1, dtype=torch.int64)
    mixed = place * _MIX[0]
    mixed = (mixed ^ (mixed >> 29)) * _MIX[1]
    return ((mixed ^ (mixed >> 32)) | 1).to(device)
