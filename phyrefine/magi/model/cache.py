"""Keys and values of finished chunks, and of captions, kept between network calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from phyrefine.errors import InvalidInputError

TextKeysValues = tuple[Tensor, Tensor | None]


class ChunkCache:
    """Keys and values of clean chunks: for every chunk and layer a tensor (2, m, G, e).

    Only chunks that were shown at the clean time are kept, and only as long as a later chunk can
    see them. Tensors are never changed once stored, so copies of a cache share them: that is how
    one prefix serves many prompts and seeds.

    Args:
        offload: Keep the tensors in (pinned) host memory, and fetch those of the next layer
            while the current one computes.

    Attributes:
        mirrored: Whether other processes keep the same cache for their share of the heads.
        origin: The mirrored cache this is a copy of, until they have made the same copy.
    """

    def __init__(self, *, offload: bool = False) -> None:
        self.offload = offload
        self._chunks: dict[int, dict[int, Tensor]] = {}
        self._fetched: dict[tuple[int, int], Tensor] = {}
        self._stream: torch.cuda.Stream | None = None
        self.mirrored = False
        self.origin: ChunkCache | None = None

    def copy(self) -> ChunkCache:
        """An independent cache that shares the tensors stored so far."""
        twin = ChunkCache(offload=self.offload)
        twin._chunks = {chunk: dict(layers) for chunk, layers in self._chunks.items()}
        twin.origin = self if self.mirrored else self.origin
        return twin

    def store(self, chunk: int, layer: int, keys_values: Tensor) -> None:
        """Keep (2, m, G, e) for one chunk and layer."""
        kept = keys_values.detach().clone()
        if self.offload and kept.is_cuda:
            host = torch.empty(kept.shape, dtype=kept.dtype, pin_memory=True)
            kept = host.copy_(kept, non_blocking=True)
        self._chunks.setdefault(chunk, {})[layer] = kept

    def past(self, chunks: Iterable[int], layer: int, device: torch.device) -> list[Tensor]:
        """The tensors of some chunks at one layer, on ``device``.

        Raises:
            InvalidInputError: A chunk was never stored, or was dropped.
        """
        wanted = list(chunks)
        missing = [chunk for chunk in wanted if layer not in self._chunks.get(chunk, {})]
        if missing:
            raise InvalidInputError(
                f"Chunks {missing} are not in the key-value cache (it holds {self.chunks})."
            )
        if not (self.offload and device.type == "cuda"):
            return [self._chunks[chunk][layer].to(device) for chunk in wanted]
        return self._prefetched(wanted, layer, device)

    def drop_before(self, chunk: int) -> None:
        """Forget chunks that no later chunk can see."""
        for old in [index for index in self._chunks if index < chunk]:
            del self._chunks[old]

    def keep_only(self, chunks: Iterable[int]) -> None:
        """Forget all other chunks."""
        kept = set(chunks)
        self._chunks = {index: held for index, held in self._chunks.items() if index in kept}

    @property
    def chunks(self) -> list[int]:
        """Indices of the chunks held, in order."""
        return sorted(self._chunks)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(t.nbytes for layers in self._chunks.values() for t in layers.values())

    def _prefetched(self, wanted: list[int], layer: int, device: torch.device) -> list[Tensor]:
        if self._stream is None:
            self._stream = torch.cuda.Stream(device)
        torch.cuda.current_stream(device).wait_stream(self._stream)
        tensors = []
        for chunk in wanted:
            held = self._fetched.pop((chunk, layer), None)
            tensor = self._chunks[chunk][layer].to(device) if held is None else held
            tensor.record_stream(torch.cuda.current_stream(device))
            tensors.append(tensor)
        self._fetched.clear()
        # What is read may still be on its way to the host, on the stream that stored it.
        self._stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(self._stream):
            for chunk in wanted:
                following = self._chunks[chunk].get(layer + 1)
                if following is not None:
                    fetched = following.to(device, non_blocking=True)
                    self._fetched[chunk, layer + 1] = fetched
        return tensors


class Captions:
    """The captions of a call: packed features, and what each layer made of them.

    A caption is a list of token ranges, so captions that share tokens share their features. The
    projected features and every layer's keys and values hang on the caption alone, so they are
    made once and serve all steps. An object belongs to one transformer.

    Args:
        features: (tokens, channels) float32, valid tokens of all captions.
        segments: For every caption, its half-open ranges of tokens; none means no text.
        keep: Whether keys and values are kept between calls.
    """

    def __init__(
        self,
        features: Tensor,
        segments: Sequence[Sequence[tuple[int, int]]],
        *,
        keep: bool = True,
    ) -> None:
        self.features = features
        self.segments = tuple(tuple(ranges) for ranges in segments)
        self.keep = keep
        self.projected: Tensor | None = None
        self._layers: dict[int, TextKeysValues] = {}

    def layer(self, index: int) -> TextKeysValues | None:
        """Keys and values made by a layer in an earlier call."""
        return self._layers.get(index)

    def remember(self, index: int, keys_values: TextKeysValues) -> None:
        """Keep keys and values of a layer, unless told not to."""
        if self.keep:
            self._layers[index] = keys_values

    @classmethod
    def packed(cls, captions: Sequence[Sequence[Tensor]], *, keep: bool = True) -> Captions:
        """From captions as lists of feature blocks (tokens, channels); equal blocks are shared.

        Two blocks are equal when they are the same tensor object.
        """
        starts: dict[int, int] = {}
        blocks: list[Tensor] = []
        total = 0
        segments = []
        for caption in captions:
            ranges = []
            for block in caption:
                if id(block) not in starts:
                    starts[id(block)] = total
                    blocks.append(block)
                    total += block.shape[0]
                start = starts[id(block)]
                ranges.append((start, start + block.shape[0]))
            segments.append([r for r in ranges if r[0] < r[1]])
        return cls(torch.cat(blocks), segments, keep=keep)


def cache_state(cache: ChunkCache) -> Mapping[tuple[int, int], Tensor]:
    """The stored tensors by (chunk, layer), for inspection."""
    return {(c, layer): t for c, layers in cache._chunks.items() for layer, t in layers.items()}  # noqa: SLF001
