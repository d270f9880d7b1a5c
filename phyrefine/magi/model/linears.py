"""Linear layers: in the stream's dtype, in float32, and fp8."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from phyrefine.magi.model.precision import scaled_linear
from phyrefine.magi.model.products import linear
from phyrefine.magi.model.tensor_cores import float32_linear, fp8_linear, gives_sums

_FP8_MAX = 448.0  # largest float8_e4m3fn


class StreamLinear(nn.Linear):
    """A linear layer in the dtype of its weights.

    A float16 weight takes float32 input and gives float32 (see `precision.scaled_linear`).
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch names it so
        """(..., in) to (..., out)."""
        if self.weight.dtype == torch.float16:
            return scaled_linear(input, self.weight, self.bias)
        return linear(input, self.weight, self.bias)


class FullLinear(nn.Linear):
    """A linear layer that sums and answers in float32, whatever its weights are stored in."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch names it so
        """(..., in) to (..., out) float32."""
        bias = None if self.bias is None else self.bias.float()
        if self.weight.dtype == torch.float16 and gives_sums(input):
            return scaled_linear(input.float(), self.weight, bias)
        sums = float32_linear(input, self.weight)
        if sums is None:
            return linear(input.float(), self.weight.float(), bias)
        return sums if bias is None else sums + bias


class Fp8Linear(nn.Module):
    """A linear layer with float8_e4m3fn weights and activations rounded to float8.

    The product is summed in float32 and rounded to bfloat16. It runs on fp8 tensor cores where the
    GPU has them, on 16-bit ones where it has not, and on any other device in float32.

    Args:
        in_features: Input channels.
        out_features: Output channels.
        smooth: Per-channel smoothing scales beside one input scale, instead of input scales only.
    """

    weight: Tensor
    weight_scale: Tensor
    input_scale: Tensor

    def __init__(self, in_features: int, out_features: int, *, smooth: bool) -> None:
        super().__init__()
        self.smooth = smooth
        weight = torch.zeros(1, out_features, in_features).to(torch.float8_e4m3fn)
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.weight_scale = _scale(1)
        self.input_scale = _scale(1 if smooth else in_features)
        if smooth:
            self.smooth_scale = _scale(1, in_features)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out), in the input's dtype."""
        scale = self.smooth_scale[0] if self.smooth else self.input_scale
        # The quotient is made in float32 and rounded as it is written; 448 is a bfloat16 value, so
        # clamping afterwards gives the same.
        scaled = torch.empty(x.shape, dtype=torch.bfloat16, device=x.device)
        torch.div(x, scale, out=scaled)
        rounded = scaled.clamp_(-_FP8_MAX, _FP8_MAX).to(torch.float8_e4m3fn)
        result = fp8_linear(rounded, self.weight[0], self.input_scale[0], self.weight_scale)
        return result.to(x.dtype)

    def dequantized(self) -> Tensor:
        """The bfloat16 weight (out, in) of the same layer without activation rounding."""
        scale = self.smooth_scale[0] if self.smooth else self.input_scale
        per_input = self.weight_scale * self.input_scale[0] / scale
        return (self.weight[0].float() * per_input).to(torch.bfloat16)


def projection(
    in_features: int,
    out_features: int,
    *,
    fp8: bool = False,
    smooth: bool = False,
    full: bool = False,
) -> Fp8Linear | StreamLinear | FullLinear:
    """A bias-free layer of the right kind for a block."""
    if fp8:
        return Fp8Linear(in_features, out_features, smooth=smooth)
    kind = FullLinear if full else StreamLinear
    return kind(in_features, out_features, bias=False)


def _scale(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.ones(shape), requires_grad=False)
