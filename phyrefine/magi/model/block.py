"""One transformer block: attention, gate, norm, feed-forward, gate, norm."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from phyrefine.magi.config import MagiConfig
from phyrefine.magi.model.attention import MagiAttention
from phyrefine.magi.model.layout import Layout
from phyrefine.magi.model.linears import StreamLinear, projection
from phyrefine.magi.model.norms import PlainLayerNorm, ZeroCenteredLayerNorm

TextKeysValues = tuple[Tensor, Tensor | None]


class MagiFeedForward(nn.Module):
    """GELU or SwiGLU feed-forward, without biases.

    Args:
        config: Shape of the transformer.
        fp8: Whether its linears are fp8.
    """

    def __init__(self, config: MagiConfig, *, fp8: bool) -> None:
        super().__init__()
        self.gated = config.gated_linear_unit
        inner = config.ffn_hidden_size
        self.fc1 = projection(config.hidden_size, inner * (1 + self.gated), fp8=fp8)
        self.fc2 = projection(inner, config.hidden_size, fp8=fp8, smooth=True)

    def forward(self, hidden: Tensor) -> Tensor:
        """(..., d) to (..., d)."""
        inner = self.fc1(hidden)
        if self.gated:
            gate, value = inner.chunk(2, dim=-1)
            # One rounding, as a fused kernel has.
            inner = (F.silu(gate.float()) * value.float()).to(inner.dtype)
        else:
            inner = F.gelu(inner)
        result: Tensor = self.fc2(inner)
        return result


class MagiBlock(nn.Module):
    """A transformer block over the packed rows of a call.

    Args:
        config: Shape of the transformer.
        fp8: Whether its linears are fp8.
    """

    def __init__(self, config: MagiConfig, *, fp8: bool = False) -> None:
        super().__init__()
        d, eps = config.hidden_size, config.eps
        self.norm1 = PlainLayerNorm(d, eps)
        self.attn = MagiAttention(
            d,
            config.num_attention_heads,
            config.num_query_groups,
            config.attention_head_dim,
            eps,
            fp8=fp8,
        )
        self.gate = StreamLinear(config.condition_size, 2 * d)
        self.norm1_post = ZeroCenteredLayerNorm(d, eps)
        self.norm2 = PlainLayerNorm(d, eps)
        self.ff = MagiFeedForward(config, fp8=fp8)
        self.norm2_post = ZeroCenteredLayerNorm(d, eps)

    def forward(
        self,
        hidden_states: Tensor,
        condition: Tensor,
        angles: Tensor,
        past: Sequence[Tensor],
        text_features: Tensor,
        text_keys_values: TextKeysValues | None,
        segments: Sequence[Sequence[tuple[int, int]]],
        layout: Layout,
        group_size: int,
    ) -> tuple[Tensor, Tensor, TextKeysValues]:
        """Run the block.

        Args:
            hidden_states: (N, m, d) residual stream of all rows.
            condition: (N, d / 4).
            angles: (2, N, m, 1, 3 (e // 8)) rotary cosines and sines.
            past: Keys and values (2, m, G, e) of the cached chunks ``layout.cached``.
            text_features: (tokens, d) of all captions, packed.
            text_keys_values: What an earlier call gave back for the same captions.
            segments: For every caption, its ranges of tokens.
            layout: Who attends to whom, and which rows are given out.
            group_size: Rows handled at once outside attention; bounds the memory.

        Returns:
            (rows, m, d) residual stream of ``layout.rows``, the keys and values
            (N, 2, m, G, e) of all rows, and those of the captions.
        """
        value_scale = self.attn.value_scale(self.norm1.weight, self.norm1.bias)
        normed = [self.norm1(rows) for rows in hidden_states.split(group_size)]
        parts = [
            self.attn.keys_values(rows, table, value_scale)
            for rows, table in zip(normed, angles.split(group_size, dim=1), strict=True)
        ]
        fresh = torch.cat(parts) if len(parts) > 1 else parts[0]
        if text_keys_values is None:
            text_keys_values = self.attn.text_keys_values(text_features)
        if not layout.rows:
            return hidden_states[:0], fresh, text_keys_values
        bank, text_scale = text_keys_values
        text = [_segment(bank, ranges) for ranges in segments]
        spans = [_span(fresh, past, layout, index) for index in range(len(layout.spans))]
        gates = torch.tanh(self.gate(F.silu(condition)).float()).to(hidden_states.dtype).float()
        reuse = normed if layout.whole else None
        results = []
        for group, entries in enumerate(layout.groups(group_size)):
            rows = _pick(hidden_states, layout.rows[slice(*entries)])
            gate1, gate2 = _pick(gates, layout.rows[slice(*entries)])[:, None].chunk(2, dim=-1)
            table = _pick(angles.transpose(0, 1), layout.rows[slice(*entries)]).transpose(0, 1)
            hidden = self.norm1(rows) if reuse is None else reuse[group]
            branch = self.attn(hidden, table, spans, value_scale, text, text_scale, layout, entries)
            rows = _add(rows, self.norm1_post(branch.float() * gate1))
            branch = self.ff(self.norm2(rows))
            results.append(_add(rows, self.norm2_post(branch.float() * gate2)))
        stream = torch.cat(results) if len(results) > 1 else results[0]
        return stream, fresh, text_keys_values


def _add(rows: Tensor, branch: Tensor) -> Tensor:
    return (rows.float() + branch).to(rows.dtype)


def _pick(x: Tensor, rows: tuple[int, ...]) -> Tensor:
    if rows == tuple(range(rows[0], rows[0] + len(rows))):
        return x[rows[0] : rows[0] + len(rows)]
    return x[list(rows)]


def _segment(bank: Tensor, ranges: Sequence[tuple[int, int]]) -> Tensor:
    parts = [bank[:, start:stop] for start, stop in ranges] or [bank[:, :0]]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _span(fresh: Tensor, past: Sequence[Tensor], layout: Layout, index: int) -> Tensor:
    """Keys and values (2, k, G, e) of a span: cached chunks, then rows of the call."""
    span = layout.spans[index]
    first = layout.cached[0]
    cached = past[span.cached[0] - first : span.cached[1] - first] if past else []
    rows = range(*span.rows)
    if not cached and len(rows) == 1:
        return fresh[rows[0]]
    return torch.cat([*cached, *(fresh[row] for row in rows)], dim=1)
