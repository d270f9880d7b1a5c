"""Which parts keep which dtype, and a half-precision product that cannot overflow.

A bfloat16 model follows the release: bfloat16 between the layers, float32 inside norms, rotary,
gates, residual sums and the output projection. Float16 has the same mantissa budget and more, but
ends at 65504. Kept in float32 there: the residual stream, the condition and the gates, the packed
text features, the results of all matrix products and the activations between the two feed-forward
products. Matrix products take float16 operands scaled by powers of two (`scaled_linear`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from phyrefine.magi.model.tensor_cores import gives_sums, linear_sums

# Half of float16's largest value, so that rounding in a sum cannot pass it.
_SAFE = 32768.0


def stream_dtype(model_dtype: torch.dtype) -> torch.dtype:
    """Dtype of the residual stream, the condition and the text features."""
    return torch.float32 if model_dtype == torch.float16 else model_dtype


def operand_dtype(layer: nn.Linear) -> torch.dtype:
    """Dtype a layer computes in, which under diffusers' layerwise casting is not its weight's."""
    registry = getattr(layer, "_diffusers_hook", None)
    casting = None if registry is None else registry.get_hook("layerwise_casting")
    dtype: torch.dtype = layer.weight.dtype if casting is None else casting.compute_dtype
    return dtype


def power_of_two_above(bound: Tensor) -> Tensor:
    """The smallest power of two s >= 1 with ``bound / s <= 32768``; float32, same shape."""
    return torch.exp2(torch.log2(bound.float() / _SAFE).ceil().clamp(min=0))


def scaled_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x @ weight.T (+ bias)`` with float16 operands and a float32 result that is finite.

    Every token is divided by a power of two, and its result is multiplied back in float32. Both
    scalings are exact. Where the device gives out float32 sums, only the operands have to stay
    within float16; elsewhere the results too, which the Cauchy-Schwarz bound ensures: a token's
    norm times the largest row norm of the weight.

    Args:
        x: (..., in) float32.
        weight: (out, in) float16.
        bias: (out) or ``None``.
    """
    if gives_sums(x):
        scale = power_of_two_above(x.abs().amax(-1, keepdim=True))
        result = linear_sums((x / scale).to(weight.dtype), weight) * scale
        return result if bias is None else result + bias.float()
    largest_row = torch.linalg.vector_norm(weight, dim=1, dtype=torch.float32).amax().clamp(min=1)
    norms = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    scale = power_of_two_above(norms * largest_row)
    result = F.linear((x / scale).to(weight.dtype), weight).float() * scale
    return result if bias is None else result + bias.float()


def normed_value_scale(gamma: Tensor, beta: Tensor, weight: Tensor) -> Tensor:
    """A power of two that keeps ``LayerNorm(x) @ weight.T`` within float16, whatever x is.

    A LayerNorm over d channels has norm at most ``sqrt(d) max|gamma| + |beta|``. The scale hangs
    on the weights alone, so cached values of earlier calls share it; it is 1 for ordinary
    weights.
    """
    width = gamma.shape[0]
    bound = width**0.5 * gamma.abs().amax().float() + torch.linalg.vector_norm(beta.float())
    rows = torch.linalg.vector_norm(weight, dim=1, dtype=torch.float32).amax()
    return power_of_two_above(bound * rows)
