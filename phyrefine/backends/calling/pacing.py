"""What all workers of one model share: when the next request may go out.

A pacer only decides; workers do the waiting. So it can stand in this process, or once for a whole
cluster: whatever has ``pace`` and can be pickled is a pacer. :func:`host_pacers` says where new
ones come from.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from typing import Literal, Protocol

from attrs import define, field, frozen

from phyrefine.errors import BackendError

logger = logging.getLogger(__name__)

FIRST_COOL = 15.0
LONGEST_COOL = 240.0
# Of the learned distance between two requests: how much each answer shortens it.
RECOVERY = 0.97
# How much a limit met at our own pace lengthens it.
STEP = 1.5
SHORTEST_GAP, LONGEST_GAP = 0.001, 60.0
# A rate is learned from requests in a row; after so many idle seconds a new row begins.
IDLE = 30.0
# A worker that does not come back this long after its turn is taken for gone.
GONE = 5.0

Event = Literal["ready", "answered", "limited", "unwell", "failed", "left"]


@frozen
class Report:
    """What a worker tells the pacer.

    Attributes:
        event: ``ready`` to send a request; ``answered``; ``limited`` (a 429); ``unwell``, a fault
            which says that the service is down; ``failed`` in another way; ``left``, interrupted.
        worker: Who says so; another name for every call.
        now: Seconds on the worker's clock that never goes back. A pacer for several machines puts
            its own clock's in its place.
        error: The fault of ``limited`` and ``unwell``.
        seconds: How long ``limited`` asks to wait.
        patience: Seconds a ``ready`` call can still wait for a pause.
        budget: Seconds without any answer, all requests limited, after which to give up.
        trip_after: ``unwell`` faults in a row that open the circuit.
        outage: Seconds an open circuit may last; 0 never opens it.
    """

    event: Event
    worker: str
    now: float
    error: BackendError | None = None
    seconds: float = 0.0
    patience: float = float("inf")
    budget: float = float("inf")
    trip_after: int = 5
    outage: float = 900.0


@frozen
class Pace:
    """What the pacer says.

    Attributes:
        wait: To ``ready``: wait so many seconds and report again; 0 sends now.
        error: To ``ready``: do not send, this is why.
        is_open: To a fault: the circuit is open, so the call shall wait, however often it failed.
    """

    wait: float = 0.0
    error: BackendError | None = None
    is_open: bool = False


class Pacer(Protocol):
    """Lets requests to one model pass, or holds them."""

    def pace(self, report: Report, /) -> Pace:
        """Take a report; say what the worker shall do."""
        ...


@define
class _Limit:
    """A rate limit, learned from 429s: the pause, the queue behind it, and its pace."""

    paused_until: float = float("-inf")
    error: BackendError | None = None
    pause: float = 0.0
    limited_since: float | None = None
    unlearned: bool = False
    gap: float = 0.0
    row_began: float = float("-inf")
    last_sent: float = float("-inf")
    open_at: float = float("-inf")
    answers: int = 0
    queue: dict[str, float] = field(factory=dict)

    def ready(self, report: Report) -> Pace:
        now = report.now
        held = self._hopeless(report)
        if held is not None:
            self.queue.pop(report.worker, None)
            return Pace(error=held)
        if now >= self.paused_until and self.unlearned:
            self._learn(now)
        self._drop_the_gone(now)
        self.queue.setdefault(report.worker, now)
        place = list(self.queue).index(report.worker)
        wait = max(0.0, self.paused_until - now, self.open_at - now) + place * self.gap
        if wait > 0:
            self.queue[report.worker] = now + wait
            return Pace(wait=wait)
        del self.queue[report.worker]
        if now - self.last_sent > IDLE:
            self.row_began, self.answers = now, 0
        self.last_sent, self.open_at = now, now + self.gap
        return Pace()

    def _hopeless(self, report: Report) -> BackendError | None:
        if self.error is None:
            return None
        wait = self.paused_until - report.now
        if wait > report.patience:
            return _again(self.error, f"the model is paused for {wait:.0f} s more")
        since = report.now if self.limited_since is None else self.limited_since
        if report.now - since > report.budget:
            return _again(self.error, f"every request was limited for {report.now - since:.0f} s")
        return None

    def _drop_the_gone(self, now: float) -> None:
        for worker, due in list(self.queue.items()):
            if now - due <= GONE + 0.2 * self.pause:
                return
            del self.queue[worker]

    def _learn(self, now: float) -> None:
        """From one pause's end to the next, so many requests were answered.

        A row that was paced by us shows our own pace, so that it may only grow step by step; and
        a service that says "come back in a second" takes a request a second.
        """
        if not self.answers:
            gap = max(2 * self.gap, min(1.0, self.pause / 4))
        else:
            gap = (now - self.row_began) / self.answers
            gap = min(gap, STEP * self.gap) if self.gap else gap
        self.gap = min(LONGEST_GAP, self.pause, gap)
        self.row_began = self.last_sent = self.open_at = now
        self.answers, self.unlearned = 0, False

    def limited(self, report: Report) -> None:
        self.paused_until = max(self.paused_until, report.now + report.seconds)
        self.pause = max(report.seconds, self.pause / 2)
        self.error, self.unlearned = report.error, True
        if self.limited_since is None:
            self.limited_since = report.now

    def answered(self) -> None:
        self.answers += 1
        self.limited_since = None
        if not self.unlearned:
            self.gap *= RECOVERY
            self.gap = self.gap if self.gap > SHORTEST_GAP else 0.0


@define
class _Circuit:
    """A service that is down, noticed by faults in a row."""

    error: BackendError | None = None
    worked: bool = False
    streak: int = 0
    open_since: float | None = None
    probe_at: float = 0.0
    cool: float = FIRST_COOL
    probing: bool = False

    def ready(self, report: Report) -> Pace | None:
        """``None`` when the circuit is closed."""
        if self.open_since is None:
            return None
        if report.now >= self.probe_at and not self.probing:
            self.probing = True
            return Pace()
        down = report.now - self.open_since
        if down > report.outage and self.error is not None:
            return Pace(error=_again(self.error, f"no answer for {down:.0f} s"))
        return Pace(wait=1.0 if self.probing else self.probe_at - report.now)

    def unwell(self, report: Report) -> bool:
        """Note a fault; whether the circuit is open and the call shall just wait."""
        self.streak += 1
        self.error = report.error
        if self.open_since is not None:
            if self.probing:
                self.cool = min(LONGEST_COOL, self.cool * 2)
                self.probe_at, self.probing = report.now + self.cool, False
            return report.now - self.open_since <= report.outage
        if not self.worked or self.streak < report.trip_after or not report.outage:
            return False
        self.open_since, self.probe_at = report.now, report.now + self.cool
        logger.warning(
            "%s:%s failed %d times in a row (%s); pausing, then probing for up to %.0f s",
            getattr(report.error, "provider", None),
            getattr(report.error, "model", None),
            report.trip_after,
            report.error,
            report.outage,
        )
        return True

    def close(self, *, worked: bool) -> None:
        self.worked = self.worked or worked
        self.streak, self.open_since, self.probing = 0, None, False
        self.cool = FIRST_COOL


@define
class LocalPacer:
    """The pacer of one process.

    Three things hold requests. A 429 holds all workers until its wait is over; then they are let
    through one by one, in the order they came, at the pace the service has shown to take, which
    every answer makes a little faster. And the circuit: it opens when a service that did answer
    before fails ``trip_after`` times in a row; then one worker at a time probes, at growing
    intervals, and an answer closes it. After ``outage`` seconds nobody waits for that any more:
    calls fail at once, but for the probes.
    """

    _lock: threading.Lock = field(factory=threading.Lock, repr=False)
    _limit: _Limit = field(factory=_Limit, repr=False)
    _circuit: _Circuit = field(factory=_Circuit, repr=False)

    def pace(self, report: Report, /) -> Pace:
        """Take a report; say what the worker shall do."""
        with self._lock:
            if report.event == "ready":
                held = self._circuit.ready(report)
                return held if held is not None else self._limit.ready(report)
            if report.event == "left":
                self._circuit.probing = False
                self._limit.queue.pop(report.worker, None)
            elif report.event == "unwell":
                return Pace(is_open=self._circuit.unwell(report))
            else:
                self._circuit.close(worked=report.event == "answered")
                if report.event == "answered":
                    self._limit.answered()
                elif report.event == "limited":
                    self._limit.limited(report)
            return Pace()

    def __reduce__(self) -> tuple[type[LocalPacer], tuple[()]]:
        """Nothing travels: another process has a pacer of its own."""
        return LocalPacer, ()


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


# -- one pacer for each model ------------------------------------------------------------------

PacerKey = tuple[str, str, str]
_pacers: dict[PacerKey, Pacer] = {}
_pacers_lock = threading.Lock()
_host: list[Callable[[PacerKey], Pacer]] = []


@frozen
class _HostedPacer:
    """Asks the pacer of one model, wherever pacers are hosted at the time of a request."""

    key: PacerKey

    def pace(self, report: Report, /) -> Pace:
        return _current_pacer(self.key).pace(report)


@functools.cache
def _hosted_pacer(key: PacerKey) -> _HostedPacer:
    return _HostedPacer(key)


def pacer_of(provider: str, endpoint: str, model: str) -> Pacer:
    """The pacer that all clients of one model at one endpoint share."""
    return _hosted_pacer((provider, endpoint, model))


def _current_pacer(key: PacerKey) -> Pacer:
    with _pacers_lock:
        if key not in _pacers:
            _pacers[key] = _host[-1](key) if _host else LocalPacer()
        return _pacers[key]


def host_pacers(make: Callable[[PacerKey], Pacer] | None) -> None:
    """Take pacers from ``make`` from now on, or from this process again with ``None``.

    A cluster passes a function that gives a handle of the one pacer of (provider, endpoint, model)
    for all its machines. Clients that were made before ask it too.
    """
    with _pacers_lock:
        _host[:] = [] if make is None else [make]
        _pacers.clear()


def forget_pacers() -> None:
    """Start afresh, as a new process would."""
    with _pacers_lock:
        _pacers.clear()
