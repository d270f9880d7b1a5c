"""Parallel self- and text attention of a block, over any pattern of chunks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers.models._modeling_parallel import ParallelConfig
from diffusers.models.attention import AttentionModuleMixin
from diffusers.models.attention_dispatch import AttentionBackendName, dispatch_attention_fn
from torch import Tensor, nn

from phyrefine.magi.model.embeddings import rotate
from phyrefine.magi.model.layout import Layout
from phyrefine.magi.model.linears import Fp8Linear, StreamLinear, projection
from phyrefine.magi.model.norms import ZeroCenteredLayerNorm
from phyrefine.magi.model.parallel import heads_to_tokens, tokens_to_heads
from phyrefine.magi.model.precision import normed_value_scale, operand_dtype, power_of_two_above

# The release shards heads over eight groups; its checkpoints keep that order of channels.
_INTERLEAVE = 8


class MagiAttentionProcessor:
    """Runs one attention product with whichever backend diffusers is set to."""

    _attention_backend: AttentionBackendName | None = None
    _parallel_config: ParallelConfig | None = None

    def __call__(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Full attention of (1, m, H, e) over (1, k, G, e); scale ``e ** -0.5``, no mask."""
        result: Tensor = dispatch_attention_fn(
            query, key, value, enable_gqa=True, backend=self._attention_backend
        )
        return result

    def to_heads(self, tokens: Tensor) -> Tensor:
        """Under context parallelism: my tokens of all heads to all tokens of my heads."""
        if self._parallel_config is None:
            return tokens
        return tokens_to_heads(tokens, self._parallel_config.context_parallel_config)

    def to_tokens(self, heads: Tensor) -> Tensor:
        """The way back of `to_heads`."""
        if self._parallel_config is None:
            return heads
        return heads_to_tokens(heads, self._parallel_config.context_parallel_config)


class MagiAttention(nn.Module, AttentionModuleMixin):  # type: ignore[misc]
    """Self-attention over chunks beside cross-attention to the caption, one output projection.

    Args:
        hidden_size: Token width d.
        heads: Query heads H.
        groups: Key and value heads G.
        head_dim: Width e of a head.
        eps: Epsilon of the head norms.
        fp8: Whether the projections are fp8.
    """

    _default_processor_cls = MagiAttentionProcessor
    _available_processors = [MagiAttentionProcessor]
    _supports_qkv_fusion = False

    def __init__(
        self, hidden_size: int, heads: int, groups: int, head_dim: int, eps: float, *, fp8: bool
    ) -> None:
        super().__init__()
        self.head_dim = head_dim
        queries, keys = heads * head_dim, groups * head_dim
        self.to_q = projection(hidden_size, queries, fp8=fp8)
        self.to_q_text = projection(hidden_size, queries, fp8=fp8)
        self.to_k = projection(hidden_size, keys, fp8=fp8)
        self.to_v = projection(hidden_size, keys, fp8=fp8)
        self.to_kv_text = StreamLinear(hidden_size, 2 * keys, bias=False)
        self.to_out = projection(2 * queries, hidden_size, fp8=fp8, smooth=True, full=True)
        self.norm_q = ZeroCenteredLayerNorm(head_dim, eps)
        self.norm_k = ZeroCenteredLayerNorm(head_dim, eps)
        self.norm_q_text = ZeroCenteredLayerNorm(head_dim, eps)
        self.norm_k_text = ZeroCenteredLayerNorm(head_dim, eps)
        self.processor = MagiAttentionProcessor()

    def keys_values(self, hidden: Tensor, angles: Tensor, value_scale: Tensor | None) -> Tensor:
        """Rotated keys, and values divided by ``value_scale``.

        Args:
            hidden: (n, m, d) normalized tokens.
            angles: (2, n, m, 1, 3 (e // 8)).
            value_scale: Power of two for float16 models.

        Returns:
            (n, 2, m, G, e) in the model's dtype.
        """
        key = self._heads(self.to_k(hidden))
        value = self._heads(self.to_v(hidden))
        if value_scale is not None:
            value = value / value_scale
        key = rotate(self.norm_k(key.float()), angles)
        both = torch.stack([key.to(self._dtype), value.to(self._dtype)], dim=1)
        return self.processor.to_heads(both)

    def text_keys_values(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Keys and values of caption tokens.

        Args:
            features: (tokens, d).

        Returns:
            (2, tokens, G, e) in the model's dtype, and for float16 models the power of two the
            values were divided by.
        """
        both = self.to_kv_text(features).unflatten(-1, (-1, 2, self.head_dim))
        key, value = both.unbind(-2)
        scale = power_of_two_above(value.abs().amax()) if self._half else None
        if scale is not None:
            value = value / scale
        key = self.norm_k_text(key)
        return torch.stack([key.to(self._dtype), value.to(self._dtype)]), scale

    def forward(
        self,
        hidden: Tensor,
        angles: Tensor,
        spans: Sequence[Tensor],
        value_scale: Tensor | None,
        text: Sequence[Tensor],
        text_scale: Tensor | None,
        layout: Layout,
        entries: tuple[int, int],
    ) -> Tensor:
        """Attend and project.

        Args:
            hidden: (n, m, d) normalized tokens of entries ``entries`` of ``layout.rows``.
            angles: Their rotary tables (2, n, m, 1, 3 (e // 8)).
            spans: Keys and values (2, k, G, e) of each span of the layout.
            value_scale: What the values of ``spans`` were divided by.
            text: Keys and values (2, t, G, e) of each caption.
            text_scale: What the values of ``text`` were divided by.
            layout: Who attends to whom.
            entries: Range within ``layout.rows``.

        Returns:
            (n, m, d); float32 unless the projection is fp8.
        """
        query = rotate(self.norm_q(self._heads(self.to_q(hidden)).float()), angles)
        core = self._self_attention(query.to(self._dtype), spans, layout, entries)
        text_query = self.norm_q_text(self._heads(self.to_q_text(hidden))).to(self._dtype)
        cross = self._text_attention(text_query, text, layout, entries)
        if value_scale is not None and text_scale is not None:
            core, cross = core.float() * value_scale, cross.float() * text_scale
        parts = [part.flatten(-2).unflatten(-1, (_INTERLEAVE, -1)) for part in (core, cross)]
        projected: Tensor = self.to_out(torch.stack(parts, dim=-2).flatten(-3))
        return projected

    def value_scale(self, gamma: Tensor, beta: Tensor) -> Tensor | None:
        """What values are divided by in a float16 model, given the norm before them."""
        if not self._half:
            return None
        to_v = self.to_v
        weight = to_v.dequantized() if isinstance(to_v, Fp8Linear) else to_v.weight
        return normed_value_scale(gamma, beta, weight)

    @property
    def _dtype(self) -> torch.dtype:
        return operand_dtype(self.to_kv_text)

    @property
    def _half(self) -> bool:
        return self._dtype == torch.float16

    def _heads(self, projected: Tensor) -> Tensor:
        heads: Tensor = projected.unflatten(-1, (-1, self.head_dim))
        return heads

    def _self_attention(
        self, query: Tensor, spans: Sequence[Tensor], layout: Layout, entries: tuple[int, int]
    ) -> Tensor:
        query = self.processor.to_heads(query)
        tokens = query.shape[1]
        results = []
        for position, plan in enumerate(layout.queries[slice(*entries)]):
            seen = spans[plan.span][:, plan.start * tokens : plan.stop * tokens]
            row = query[position : position + 1]
            results.append(self.processor(row, seen[:1], seen[1:]))
        return self.processor.to_tokens(torch.cat(results) if len(results) > 1 else results[0])

    def _text_attention(
        self, query: Tensor, text: Sequence[Tensor], layout: Layout, entries: tuple[int, int]
    ) -> Tensor:
        results = []
        for start, stop, caption in layout.runs(*entries):
            rows, seen = query[start:stop], text[caption]
            if seen.shape[1] == 0:
                results.append(torch.zeros_like(rows))
                continue
            packed = rows.flatten(0, 1)[None]
            result = self.processor(packed, seen[:1], seen[1:])
            results.append(result[0].unflatten(0, rows.shape[:2]))
        return torch.cat(results) if len(results) > 1 else results[0]
