"""One budget for many samples."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from attrs import asdict, define, field

from phyrefine.types import Budget, Usage


@define
class Allowance:
    """What is left of a budget that samples share. Wall time counts from now.

    Attributes:
        budget: Limits of all samples together.
        clock: Monotonic seconds.
    """

    budget: Budget
    clock: Callable[[], float] = field(default=time.monotonic, kw_only=True)
    _used: Usage = field(factory=Usage, init=False)
    _started: float = field(init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    @_started.default
    def _now(self) -> float:
        return self.clock()

    def spend(self, usage: Usage) -> None:
        """Count what a sample took."""
        with self._lock:
            self._used = self._used + usage

    def left(self) -> Budget:
        """The budget of the next sample; 0 where nothing is left.

        Nor is any left where dollars are limited and an earlier sample's are unknown.
        """
        used = {
            "usd": self._used.usd,
            "tokens": sum(self._used.tokens.values()),
            "gpu_seconds": self._used.gpu_seconds,
            "wall_seconds": self.clock() - self._started,
            "calls": self._used.calls,
        }
        rest: dict[str, Any] = {
            name: None if limit is None else _rest(limit, used[name])
            for name, limit in asdict(self.budget).items()
        }
        return Budget(**rest)

    @property
    def spent(self) -> str | None:
        """Names of the limits that are reached; ``None`` while work may go on."""
        reached = [name for name, rest in asdict(self.left()).items() if rest == 0]
        return ", ".join(reached) or None


def _rest(limit: float, used: float | None) -> float:
    return 0 if used is None else max(0, limit - used)
