"""Products of 16-bit and 8-bit operands whose sums stay float32, on tensor cores where there are.

A float32 product of the same operands gives the same numbers but for the order of the sums: every
bfloat16, float16 and e4m3 value is exact in float32. On a GPU it is slower by an order of
magnitude, because tensor cores take no float32.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_HALVES = (torch.bfloat16, torch.float16)
# torch 2.8 and later can give out the float32 sums of a product of 16-bit operands.
GIVES_SUMS = hasattr(torch.ops.aten.mm, "dtype")
# The first generation with fp8 tensor cores (Ada; Hopper is 9.0).
_FP8_CAPABILITY = (8, 9)
_FP8_MULTIPLE = 16
# Rows of an fp8 weight that are widened at a time where there are no tensor cores.
_ROWS = 1024


def gives_sums(x: Tensor) -> bool:
    """Whether `linear_sums` can run where ``x`` lies."""
    return GIVES_SUMS and x.is_cuda


def linear_sums(x: Tensor, weight: Tensor) -> Tensor:
    """``x @ weight.T`` in float32.

    Args:
        x: (..., in) bfloat16 or float16 on a GPU.
        weight: (out, in) of the same dtype.

    Returns:
        (..., out) float32.
    """
    flat = x.reshape(-1, x.shape[-1])
    sums: Tensor = torch.mm(flat, weight.t(), out_dtype=torch.float32).unflatten(0, x.shape[:-1])
    return sums


def float32_linear(x: Tensor, weight: Tensor) -> Tensor | None:
    """`linear_sums` where operands and device allow it, else ``None``."""
    if x.dtype in _HALVES and x.dtype == weight.dtype and gives_sums(x):
        return linear_sums(x, weight)
    return None


def fp8_linear(x: Tensor, weight: Tensor, scale: Tensor, weight_scale: Tensor) -> Tensor:
    """``(x @ weight.T) * scale * weight_scale``, summed in float32 and rounded once.

    Args:
        x: (..., in) float8_e4m3fn.
        weight: (out, in) float8_e4m3fn.
        scale: One float32 value.
        weight_scale: One float32 value.

    Returns:
        (..., out) bfloat16.
    """
    flat = x.reshape(-1, x.shape[-1])
    if _has_fp8_cores(flat) and not any(side % _FP8_MULTIPLE for side in weight.shape):
        scales = {"scale_a": scale.reshape(()), "scale_b": weight_scale.reshape(())}
        product = torch._scaled_mm(  # noqa: SLF001 - torch offers no public name for fp8
            flat, weight.t(), **scales, out_dtype=torch.bfloat16, use_fast_accum=False
        )
    else:
        product = (_widened(flat, weight) * (scale * weight_scale)).to(torch.bfloat16)
    result: Tensor = product.unflatten(0, x.shape[:-1])
    return result


def _widened(x: Tensor, weight: Tensor) -> Tensor:
    """The float32 sums of fp8 operands, without a float32 copy of the whole weight."""
    if gives_sums(x):
        return linear_sums(x.bfloat16(), weight.bfloat16())
    wide = x.float()
    return torch.cat([F.linear(wide, rows.float()) for rows in weight.split(_ROWS)], dim=-1)


def _has_fp8_cores(x: Tensor) -> bool:
    if not x.is_cuda or torch.version.hip is not None:
        return False
    return torch.cuda.get_device_capability(x.device) >= _FP8_CAPABILITY
