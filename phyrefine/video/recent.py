"""A small memory of what was measured last."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from attrs import define, field

V = TypeVar("V")


@define
class Recent(Generic[V]):
    """Values by key; the least recently used go first. Safe among threads.

    Attributes:
        most: Values kept.
    """

    most: int
    _values: collections.OrderedDict[Hashable, V] = field(
        factory=collections.OrderedDict, init=False
    )
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value under ``key``, made if it is not there."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        made = make()
        with self._lock:
            self._values[key] = made
            while len(self._values) > self.most:
                self._values.popitem(last=False)
        return made
