"""What was made of a prefix, kept for the next prompt: its latents and its keys and values."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from attrs import define, field
from torch import Tensor

from phyrefine.magi.media import UInt8Array
from phyrefine.magi.model.cache import ChunkCache

K = TypeVar("K")
V = TypeVar("V")


@define
class PrefixMemory:
    """Latents by prefix, and caches by prefix and settings.

    Latents hang on the pixels and the autoencoder. Keys and values of complete prefix chunks
    hang on the latents and on settings that the caller puts into the key; never on the prompt,
    the seed, the length or, for base models, the number of steps.

    Attributes:
        most: Prefixes kept; the one used longest ago goes first.
        encoded: How often a prefix was encoded.
        shown: How often a prefix went through the network.
    """

    most: int = 2
    encoded: int = field(default=0, init=False)
    shown: int = field(default=0, init=False)
    # Held while something is made: streams of other threads wait for it instead of making it too.
    _lock: Any = field(factory=threading.RLock, init=False, repr=False, eq=False)
    _latents: OrderedDict[str, Tensor] = field(factory=OrderedDict, init=False)
    _caches: OrderedDict[tuple[str, ...], ChunkCache] = field(factory=OrderedDict, init=False)

    def latents(self, digest: str, make: Callable[[], Tensor]) -> Tensor:
        """The latents of the prefix with that digest."""
        with self._lock:
            if digest not in self._latents:
                self._latents[digest] = make()
                self.encoded += 1
            return _latest(self._latents, digest, self.most)

    def cache(self, key: tuple[str, ...], make: Callable[[], ChunkCache]) -> ChunkCache:
        """The cache of a prefix under some settings; samplers copy it, never change it."""
        with self._lock:
            if key not in self._caches:
                self._caches[key] = make()
                self.shown += 1
            return _latest(self._caches, key, self.most)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._latents.clear()
            self._caches.clear()


def digest_frames(frames: UInt8Array) -> str:
    """SHA-256 over shape and pixels."""
    digest = hashlib.sha256(repr(frames.shape).encode())
    digest.update(np.ascontiguousarray(frames).data)
    return digest.hexdigest()


def _latest(kept: OrderedDict[K, V], key: K, most: int) -> V:
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)
    return kept[key]
