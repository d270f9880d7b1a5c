"""What all workers of one model share: a pause on 429, and a circuit breaker."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from attrs import define, field

from phyrefine.backends.calling.policy import Clock, Policy
from phyrefine.errors import BackendError

logger = logging.getLogger(__name__)

FIRST_COOL = 15.0
LONGEST_COOL = 240.0


@define
class Pacer:
    """Lets requests to one model pass, or holds all of them.

    Two things hold them: a 429 answered to any worker, until its wait is over; and an open
    circuit. The circuit opens when a service that did answer before fails ``trip_after`` times in
    a row; then one worker at a time probes, at growing intervals, and an answer closes it. After
    ``outage`` seconds nobody waits for that any more: calls fail at once, but for the probes.
    """

    _lock: threading.Lock = field(factory=threading.Lock, repr=False)
    _paused_until: float = float("-inf")
    _error: BackendError | None = None
    _worked: bool = False
    _streak: int = 0
    _open_since: float | None = None
    _probe_at: float = 0.0
    _cool: float = FIRST_COOL
    _probing: bool = False

    def enter(
        self, clock: Clock, *, patience: float, outage: float, jitter: Callable[[], float]
    ) -> float:
        """Wait until a request may be sent.

        Args:
            clock: For the waits.
            patience: Seconds the call can still wait for a pause.
            outage: Seconds an open circuit may last.
            jitter: Random number in 0..1, so that workers do not come back together.

        Returns:
            Seconds waited for an open circuit, which are not the call's own.

        Raises:
            BackendError: The wait would be too long; it is the fault that closed the pacer.
        """
        began, held = clock.now(), 0.0
        while True:
            wait, circuit = self._next_wait(clock.now(), patience - (clock.now() - began), outage)
            if wait <= 0:
                return held
            wait *= 1 + 0.1 * jitter()
            clock.sleep(wait)
            held += wait if circuit else 0.0
            patience += wait if circuit else 0.0

    def _next_wait(self, now: float, patience: float, outage: float) -> tuple[float, bool]:
        with self._lock:
            if now < self._paused_until:
                wait = self._paused_until - now
                if wait > patience and self._error is not None:
                    raise _again(self._error, f"the model is paused for {wait:.0f} s more")
                return wait, False
            if self._open_since is None:
                return 0.0, False
            if now >= self._probe_at and not self._probing:
                self._probing = True
                return 0.0, True
            if now - self._open_since > outage and self._error is not None:
                raise _again(self._error, f"no answer for {now - self._open_since:.0f} s")
            return (1.0 if self._probing else self._probe_at - now), True

    def pause(self, clock: Clock, seconds: float, error: BackendError) -> None:
        """Hold every worker of the model for ``seconds``."""
        with self._lock:
            self._paused_until = max(self._paused_until, clock.now() + seconds)
            self._error = error

    def answered(self) -> None:
        """The service works."""
        with self._lock:
            self._worked = True
            self._close()

    def left(self) -> None:
        """A worker was interrupted: if it was the one that probes, another one may."""
        with self._lock:
            self._probing = False

    def fault(self, clock: Clock, error: BackendError, unwell: bool, policy: Policy) -> bool:
        """Note a failed try; whether the circuit is open, so that the call shall just wait."""
        now = clock.now()
        with self._lock:
            if not unwell:
                self._close()
                return False
            self._streak += 1
            self._error = error
            if self._open_since is not None:
                if self._probing:
                    self._cool = min(LONGEST_COOL, self._cool * 2)
                    self._probe_at, self._probing = now + self._cool, False
                return now - self._open_since <= policy.outage
            if not self._worked or self._streak < policy.trip_after or not policy.outage:
                return False
            self._open_since, self._probe_at = now, now + self._cool
        logger.warning(
            "%s:%s failed %d times in a row (%s); pausing, then probing for up to %.0f s",
            error.provider,
            error.model,
            policy.trip_after,
            error,
            policy.outage,
        )
        return True

    def _close(self) -> None:
        self._streak, self._open_since, self._probing = 0, None, False
        self._cool = FIRST_COOL


def _again(error: BackendError, why: str) -> BackendError:
    """The same fault for another call that must not be sent."""
    return type(error)(
        f"{error.args[0]} Not asked again: {why}.",
        provider=error.provider,
        model=error.model,
        status=error.status,
        retry_after=error.retry_after,
        attempts=0,
    )


_gates: dict[tuple[str, str, str], Pacer] = {}
_gates_lock = threading.Lock()


def pacer_of(provider: str, endpoint: str, model: str) -> Pacer:
    """The pacer that all clients of one model at one endpoint share in this process."""
    with _gates_lock:
        return _gates.setdefault((provider, endpoint, model), Pacer())


def forget_pacers() -> None:
    """Start afresh, as a new process would."""
    with _gates_lock:
        _gates.clear()
