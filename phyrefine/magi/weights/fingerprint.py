"""Which weights a model holds, told from the weights themselves."""

from __future__ import annotations

import hashlib

import torch
from torch import nn

# Enough that a fine-tune, a merged adapter or another dtype shows; reading all of 9 GB would not
# show more.
_SAMPLES = 64


def fingerprint(*modules: nn.Module) -> str:
    """A digest of names, shapes, dtypes and a sample of the values of every tensor.

    A variant's name does not say which weights were loaded under it; this does. It costs one
    small copy per tensor, so it is taken anew whenever it matters and notices weights that were
    changed in place.

    Args:
        modules: Models in any dtype, on any device.

    Returns:
        32 hexadecimal digits; equal in every process that holds equal weights.
    """
    digest = hashlib.blake2b(digest_size=16)
    for module in modules:
        digest.update(f"\n{type(module).__name__}".encode())
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(f"\n{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            if tensor.is_meta or not tensor.numel():
                continue
            flat = tensor.detach().reshape(-1)
            picked = flat[:: max(1, flat.numel() // _SAMPLES)].cpu().contiguous()
            digest.update(picked.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
