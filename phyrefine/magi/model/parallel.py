"""Context parallelism: every chunk's tokens are split over the ranks, heads during attention.

Each rank holds ``m / P`` tokens of every chunk, so norms, projections and feed-forward are local.
Before self-attention one all-to-all gives each rank all tokens of ``1 / P`` of the heads, in which
form keys and values are also cached; another one brings the results back. Text attention needs no
exchange. Keys arrive in another order than on one device, which softmax does not see.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributed import ProcessGroup, _functional_collectives

from phyrefine.errors import InvalidInputError


def tokens_to_heads(x: Tensor, config: Any) -> Tensor:
    """(..., m / P, heads, e) on each rank to (..., m, heads / P, e)."""
    group, ranks = _group(config)
    _check_divisible(x.shape[-2], ranks, "attention heads")
    split = x.unflatten(-2, (ranks, -1))
    leading = split.dim() - 4
    order = (leading + 1, *range(leading), leading, leading + 2, leading + 3)
    received = _exchange(split.permute(order).contiguous(), group)
    return torch.cat(received.unbind(0), dim=-3)


def heads_to_tokens(x: Tensor, config: Any) -> Tensor:
    """(..., m, heads / P, e) on each rank to (..., m / P, heads, e)."""
    group, ranks = _group(config)
    _check_divisible(x.shape[-3], ranks, "tokens of a chunk")
    parts = torch.stack(x.chunk(ranks, dim=-3)).contiguous()
    received = _exchange(parts, group)
    return torch.cat(received.unbind(0), dim=-2)


def _group(config: Any) -> tuple[ProcessGroup, int]:
    if config.ring_degree != 1:
        raise InvalidInputError(
            f"MAGI-1 splits heads (ulysses_degree) only, but ring_degree is "
            f"{config.ring_degree}. Set ulysses_degree to the number of devices."
        )
    group = config._ulysses_mesh.get_group()  # noqa: SLF001 - diffusers offers no public name
    return group, config.ulysses_degree


def _exchange(parts: Tensor, group: ProcessGroup) -> Tensor:
    exchanged = _functional_collectives.all_to_all_single(parts, None, None, group)
    waited: Tensor = _functional_collectives.wait_tensor(exchanged)
    return waited


def _check_divisible(size: int, ranks: int, what: str) -> None:
    if size % ranks:
        raise InvalidInputError(f"{size} {what} cannot be split over {ranks} devices.")
