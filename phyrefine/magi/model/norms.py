"""The two LayerNorms of MAGI-1: plain, and with a weight stored as its difference from one."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PlainLayerNorm(nn.Module):
    """LayerNorm in the input's dtype (float32 inside).

    Args:
        size: Channels.
        eps: Epsilon.
    """

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalize the last axis; same shape and dtype."""
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        return F.layer_norm(x, weight.shape, weight, bias, self.eps)


class ZeroCenteredLayerNorm(nn.Module):
    """LayerNorm whose effective weight is ``1 + weight``, formed in the parameter's dtype.

    Args:
        size: Channels.
        eps: Epsilon.
    """

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size))
        self.bias = nn.Parameter(torch.zeros(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalize the last axis; same shape and dtype."""
        weight, bias = (self.weight + 1).to(x.dtype), self.bias.to(x.dtype)
        return F.layer_norm(x, weight.shape, weight, bias, self.eps)
