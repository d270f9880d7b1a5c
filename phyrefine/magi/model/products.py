"""Matrix products of the linears, on a CPU by the faster of torch's two libraries."""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

# Tokens between attentions are handled in groups this small on a CPU: what a group passes from
# product to product then stays in the caches and in memory the allocator already has.
CPU_TOKENS = 1152
# Whether oneDNN is used where it can be; without, torch decides.
ONEDNN = True


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x @ weight.T (+ bias)``, as `torch.nn.functional.linear`.

    torch sends float32 products on a CPU to MKL. oneDNN, which it carries for half precision and
    for compiled models, is a fifth faster in the shapes of a transformer; results differ by
    rounding alone.

    Args:
        x: (..., in).
        weight: (out, in), of the dtype of ``x``.
        bias: (out) or ``None``.
    """
    if not _by_onednn(x, weight):
        return F.linear(x, weight, bias)
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")  # noqa: SLF001
    return result


def _by_onednn(x: Tensor, weight: Tensor) -> bool:
    return (
        ONEDNN
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and x.numel() > 0
        and not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()  # the compiler chooses by itself
        and onednn_works()
    )


@functools.cache
def onednn_works() -> bool:
    """Whether the operator, made for torch's own compiler, is here and does what it did."""
    if not torch.backends.mkldnn.is_available():
        return False
    x, weight, bias = torch.ones(2, 3), torch.arange(12.0).reshape(4, 3), torch.ones(4)
    try:
        made = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")  # noqa: SLF001
    except (AttributeError, RuntimeError, TypeError):  # gone, or with other arguments
        return False
    return torch.equal(made, F.linear(x, weight, bias))
