"""Counts what a run takes and says when its budget is spent."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from attrs import asdict, define, evolve, field

from phyrefine.errors import BudgetExceededError, InvalidInputError
from phyrefine.run.budget.prices import PriceTable
from phyrefine.types import Budget, Usage

log = logging.getLogger(__name__)

_UNITS = {
    "usd": "US dollars",
    "tokens": "tokens",
    "gpu_seconds": "seconds in video generators",
    "wall_seconds": "seconds",
    "calls": "calls",
    "clips": "clips",
    "chunks": "chunks",
}
# Sums of parts of a clip miss whole numbers by their last bits.
_ROUNDING = 1e-9


@define
class Tally:
    """What was used within one :meth:`Meter.tally` block, in all and by stage."""

    usage: Usage = field(factory=Usage)
    stages: dict[str, Usage] = field(factory=dict)


_open_tallies: contextvars.ContextVar[tuple[Tally, ...]] = contextvars.ContextVar(
    "open_tallies", default=()
)


def _as_budget(budget: Budget | None) -> Budget:
    budget = budget or Budget()
    for name, limit in asdict(budget).items():
        if limit is not None and not (limit >= 0 and math.isfinite(limit)):
            raise InvalidInputError(f"Budget({name}={limit!r}): give a number from 0 on, or None.")
    return budget


@define
class Meter:
    """Adds up usage, by stage, from all threads, against a budget.

    What the store gives back for an interrupted run counts towards the budget as it did when it
    was paid, so that a run cannot outspend its budget by being started again. Wall time counts
    from now.

    Attributes:
        budget: Limits; ``None`` for none.
        prices: Prices calls whose backend gives tokens but no costs.
        clock: Monotonic seconds.
    """

    budget: Budget = field(default=None, converter=_as_budget)
    prices: PriceTable = field(factory=PriceTable, kw_only=True)
    clock: Callable[[], float] = field(default=time.monotonic, kw_only=True)
    _stages: dict[str, Usage] = field(factory=dict, init=False)
    _earlier: Usage = field(factory=Usage, init=False)
    _known_usd: float = field(default=0.0, init=False)
    _unpriced: str | None = field(default=None, init=False)
    _counted: set[str] = field(factory=set, init=False)
    _cancelled: bool = field(default=False, init=False)
    _started: float = field(init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    @_started.default
    def _now(self) -> float:
        return self.clock()

    # -- counting ------------------------------------------------------------------------------

    def add(self, stage: str, usage: Usage) -> None:
        """Count what a call took, also one that failed."""
        with self._lock:
            told = any(before.usd is None for before in self._stages.values())
            self._stages[stage] = self._stages.get(stage, Usage()) + usage
            self._known_usd += usage.usd or 0.0
            if usage.usd is None and any(usage.tokens.values()):
                self._unpriced = stage
        _tell_tallies(stage, usage)
        if usage.usd is None and not told and self.budget.usd is not None:
            log.warning(
                "The price of a %s call is unknown, so it does not count towards "
                "Budget(usd=%g). Pass prices for its model.",
                stage,
                self.budget.usd,
            )

    def paid(self, key: str) -> None:
        """Remember that what is stored under ``key`` was counted by :meth:`add`."""
        with self._lock:
            self._counted.add(key)

    def recalled(self, stage: str, key: str, usage: Usage) -> None:
        """Count an answer from the store: saved now, and paid before unless we saw it."""
        with self._lock:
            before = self._stages.get(stage, Usage())
            self._stages[stage] = evolve(before, saved_calls=before.saved_calls + 1)
            seen = key in self._counted
            if not seen:
                self._counted.add(key)
                self._earlier = self._earlier + usage
                self._known_usd += usage.usd or 0.0
                if usage.usd is None and any(usage.tokens.values()):
                    self._unpriced = stage
        if not seen:
            _tell_tallies(stage, usage)

    @contextlib.contextmanager
    def tally(self) -> Iterator[Tally]:
        """Add up what this thread uses within the block, answers from the store at their price.

        Because of that a resumed run tallies what an uninterrupted one would have. An answer that
        was counted before by this meter costs nothing more.
        """
        mine = Tally()
        token = _open_tallies.set((*_open_tallies.get(), mine))
        try:
            yield mine
        finally:
            _open_tallies.reset(token)

    def price(self, usage: Usage, models: Sequence[str], *, billed: bool) -> Usage:
        """``usage`` with its costs, if the backend did not say them itself.

        Args:
            usage: As the backend gave it.
            models: Names of the model, the most exact first.
            billed: Whether a service bills these calls; a local model costs nothing per token.
        """
        if usage.usd or not billed or not any(usage.tokens.values()):
            return usage
        return evolve(usage, usd=self.prices.cost(models, usage.tokens))

    # -- reading -------------------------------------------------------------------------------

    @property
    def stages(self) -> Mapping[str, Usage]:
        """What this process used, by stage."""
        with self._lock:
            return dict(self._stages)

    @property
    def usage(self) -> Usage:
        """What this process used."""
        return sum(self.stages.values(), Usage())

    @property
    def earlier(self) -> Usage:
        """What stored answers met so far cost when they were made by another process."""
        with self._lock:
            return self._earlier

    @property
    def wall_seconds(self) -> float:
        """Seconds since this meter was made."""
        return self.clock() - self._started

    @property
    def exceeded(self) -> str | None:
        """Which limit is reached, its value and the limit, in words; ``None`` if none is."""
        return self._reached(self._limits())

    def room(self, most: int) -> int:
        """How many of ``most`` further clips would be begun if they were made one by one.

        What a clip takes is the mean of those so far. Where that matters and is not known yet it
        is 1: the first clip is the measure for the others. Never less than 1: whether a clip may
        be made at all is up to :meth:`check`.
        """
        total, mine = self.usage + self.earlier, self.stages.get("generate", Usage())
        each: dict[str, float | None] = {
            "clips": 1.0,
            "calls": 1.0,
            "tokens": 0.0,
            "chunks": _mean(total.chunks, total.clips),
            "gpu_seconds": _mean(total.gpu_seconds, total.clips),
            "wall_seconds": _mean(mine.seconds, mine.clips),
            "usd": _mean(mine.usd, mine.clips),
        }
        spent, found = self._spent(), most
        for name, limit in self._limits().items():
            takes = each[name]
            if takes is None:
                return 1
            if takes > 0:
                found = min(found, math.ceil((limit - spent[name]) / takes - _ROUNDING))
        return max(1, found)

    def _reached(self, limits: Mapping[str, float]) -> str | None:
        spent = self._spent()
        for name, limit in limits.items():
            if spent[name] >= limit - _ROUNDING:
                return f"{spent[name]:.6g} of {limit:.6g} {_UNITS[name]} ({name})"
        return None

    def _limits(self) -> dict[str, float]:
        return {name: limit for name, limit in asdict(self.budget).items() if limit is not None}

    def _spent(self) -> dict[str, float]:
        total = self.usage + self.earlier
        return {
            "usd": self._known_usd,
            "tokens": sum(total.tokens.values()),
            "gpu_seconds": total.gpu_seconds,
            "wall_seconds": self.wall_seconds,
            "calls": total.calls,
            "clips": total.clips,
            "chunks": total.chunks,
        }

    # -- stopping ------------------------------------------------------------------------------

    def check(self, *, begun: bool = False) -> None:
        """Refuse the next call when a limit is reached or the run was cancelled.

        Args:
            begun: The call has begun and is counted; it is about its next chunk.

        Raises:
            BudgetExceededError: Names the limit, its value and what to do; also when dollars
                are limited and tokens were used whose price is unknown.
            KeyboardInterrupt: After :meth:`cancel`.
        """
        if self._cancelled:
            raise KeyboardInterrupt("The run was cancelled.")
        if self._unpriced is not None and self.budget.usd is not None:
            raise BudgetExceededError(
                f"Budget(usd={self.budget.usd:g}) cannot be kept: the price of the "
                f"{self._unpriced} calls is unknown. What is finished is kept; pass prices= for "
                "the model, install genai-prices, or limit tokens= instead, and run again."
            )
        limits = self._limits()
        if begun:
            limits.pop("calls", None)
        reached = self._reached(limits)
        if reached is not None:
            name = reached.rpartition("(")[2].rstrip(")")
            raise BudgetExceededError(
                f"The budget is spent: {reached}. What is finished is kept; raise "
                f"Budget({name}=...) and run again to go on."
            )

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._cancelled

    def cancel(self) -> None:
        """Let every later :meth:`check`, in any thread, raise ``KeyboardInterrupt``."""
        self._cancelled = True


def _mean(total: float | None, clips: float) -> float | None:
    """What a clip takes; ``None`` before a whole one was made."""
    return None if total is None or clips < 1 - _ROUNDING else total / clips


def _tell_tallies(stage: str, usage: Usage) -> None:
    for tally in _open_tallies.get():
        tally.stages[stage] = tally.stages.get(stage, Usage()) + usage
        tally.usage = tally.usage + usage
