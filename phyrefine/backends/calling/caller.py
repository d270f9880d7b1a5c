"""The one retry layer in front of every service; the SDKs' own are off.

A *call* is what the caller waits for; a *try* is one request. Each try has a deadline of its own
(``timeout``), a call has a budget of retries and seconds, and all workers that use one model share
a :class:`~phyrefine.backends.calling.pacing.Pacer`.
"""

from __future__ import annotations

import logging
import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from attrs import define, field

from phyrefine.backends.calling.excerpt import shown
from phyrefine.backends.calling.pacing import Event, Pace, Pacer, Report
from phyrefine.backends.calling.policy import (
    Clock,
    Done,
    Fault,
    FaultSignalError,
    OverdueError,
    Policy,
    SystemClock,
)
from phyrefine.errors import BackendError, BackendTimeoutError, RateLimitedError
from phyrefine.types import Usage

logger = logging.getLogger(__name__)
T = TypeVar("T")

# Shorter hints ("Retry-After: 0") do not say when to come back.
SHORTEST_HINT = 0.1
# So many limits of one call in a row are what several workers on a small quota meet.
PATIENT_HITS = 3


def _never(_: Fault) -> bool:
    return False


@define
class Caller:
    """Makes calls to one model of one service.

    Attributes:
        pacer: Shared by all workers of the model.
        classify: Turns any exception of a try into a fault.
        policy: How patient to be.
        clock: For the waits.
        jitter: Random number in 0..1.
    """

    pacer: Pacer
    classify: Callable[[Exception], Fault]
    policy: Policy = field(factory=Policy)
    clock: Clock = field(factory=SystemClock)
    jitter: Callable[[], float] = random.random

    def call(
        self,
        send: Callable[[float], T],
        *,
        amend: Callable[[Fault], bool] = _never,
        discard: Callable[[T], object] | None = None,
    ) -> Done[T]:
        """Try until it works, or until trying again makes no sense.

        Args:
            send: One try, given the seconds it may take.
            amend: Changes the request as a fault with a ``change`` asks; ``False`` when there is
                nothing left to change. Each change and detail is asked for once.
            discard: Gets the result of a try that was given up and came in after all.

        Raises:
            BackendError: The last fault's error, with ``attempts`` set.
        """
        call = _Call(self, began=self.clock.now())
        while True:
            call.enter()
            seconds = max(0.01, min(self.policy.timeout, call.patience()))
            try:
                value = within(seconds, lambda limit=seconds: send(limit), discard)  # type: ignore[misc]
            except Exception as raised:  # noqa: BLE001 - foreign exceptions end here
                fault = self._fault(raised, seconds)
                call.note(fault)
                if not call.may_go_on(fault, amend):
                    _raise(fault.error, raised)
            except BaseException:  # Ctrl-C
                call.report("left")
                raise
            else:
                call.report("answered")
                return Done(value, call.tries, call.usage)

    def _fault(self, raised: Exception, seconds: float) -> Fault:
        if isinstance(raised, FaultSignalError):
            return raised.fault
        fault = self.classify(raised)
        if not isinstance(raised, OverdueError):
            return fault
        return _overdue(fault, self.policy, seconds)


def _overdue(fault: Fault, policy: Policy, seconds: float) -> Fault:
    whole = seconds >= policy.timeout
    which = "timeout=" if whole else f"retry_budget={policy.retry_budget:g}, of which this was left"
    error = BackendTimeoutError(
        f"{fault.error.provider}:{fault.error.model} sent no complete answer within "
        f"{seconds:.3g} s. Raise {which}, or ask for less.",
        provider=fault.error.provider,
        model=fault.error.model,
    )
    return Fault(error, retries=1, unwell=True)


def _raise(error: BackendError, raised: Exception) -> None:
    """Raise ``error`` with the foreign exception as its cause, unless that one is our own.

    Servers echo what they were sent, so a traceback must show no foreign text as it came.
    """
    cause = raised.__cause__ if isinstance(raised, FaultSignalError) else raised
    if isinstance(cause, OverdueError) or cause is error:
        cause = None
    link = cause
    while link is not None:
        link.args = tuple(shown(item) if isinstance(item, str) else item for item in link.args)
        link = link.__cause__ or link.__context__
    raise error from cause


@define
class _Call:
    """The books of one call."""

    caller: Caller
    began: float
    tries: int = 0
    excluded: float = 0.0
    owed: float = 0.0
    usage: Usage = field(factory=Usage)
    retries: int = 0
    limited: int = 0
    worker: str = field(factory=lambda: uuid.uuid4().hex)
    kinds: Counter[tuple[str, str, str]] = field(factory=Counter)

    def enter(self) -> None:
        """Wait at the pacer, then count a try."""
        caller = self.caller
        while True:
            pace = self.report("ready", patience=self.patience() + self.owed)
            if pace.error is not None:
                pace.error.attempts, pace.error.usage = self.tries, self.usage
                raise pace.error
            if pace.wait <= 0:
                break
            # Workers shall not come back together; and waiting for others is not this call's time.
            wait = pace.wait * (1 + 0.1 * caller.jitter())
            self._sleep(wait)
            self.excluded += wait
        self.excluded -= self.owed  # the wait that this call itself was told is its own
        self.owed = 0.0
        self.tries += 1

    def report(self, event: Event, **details: Any) -> Pace:
        """Tell the pacer."""
        caller, policy = self.caller, self.caller.policy
        return caller.pacer.pace(
            Report(
                event,
                self.worker,
                caller.clock.now(),
                budget=policy.retry_budget,
                trip_after=policy.trip_after,
                outage=policy.outage,
                **details,
            )
        )

    def _sleep(self, seconds: float) -> None:
        try:
            self.caller.clock.sleep(seconds)
        except BaseException:  # Ctrl-C
            self.report("left")
            raise

    def patience(self) -> float:
        """Seconds left of the call's budget; pauses of the whole run do not count."""
        spent = self.caller.clock.now() - self.began - self.excluded
        return self.caller.policy.retry_budget - spent

    def note(self, fault: Fault) -> None:
        """Add up what the failed try took."""
        unknown = Usage(calls=1, usd=None) if fault.sent else Usage()
        self.usage = self.usage + (fault.usage if fault.usage.calls else unknown)
        fault.error.attempts = self.tries
        fault.error.usage = self.usage

    def may_go_on(self, fault: Fault, amend: Callable[[Fault], bool]) -> bool:
        """Wait, change or give up."""
        policy = self.caller.policy
        kind = (type(fault.error).__name__, fault.change or "", fault.detail)
        seen = self.kinds[kind]
        self.kinds[kind] += 1
        is_limited = isinstance(fault.error, RateLimitedError)
        if (
            not is_limited
            and self.report("unwell" if fault.unwell else "failed", error=fault.error).is_open
        ):
            return True
        most = policy.max_retries if fault.retries is None else fault.retries
        if fault.change is not None:
            return seen < most and amend(fault)
        # A 429 that says when to come back costs time, not retries.
        timed = is_limited and (fault.error.retry_after or 0) >= SHORTEST_HINT
        if timed:
            self.limited += 1
        elif seen >= min(most, policy.max_retries) or self.retries >= policy.max_retries:
            return False
        else:
            self.retries += 1
        wait = self._wait(fault)
        if wait >= self.patience():
            _say_too_long(fault.error, wait, policy)
            return False
        self._pause(fault, wait)
        return True

    def _wait(self, fault: Fault) -> float:
        policy, hint = self.caller.policy, fault.error.retry_after
        if isinstance(fault.error, RateLimitedError) and (hint or 0) >= SHORTEST_HINT:
            return hint or 0.0  # the pacer's wait gets the jitter, for every worker its own
        if hint is not None and hint >= SHORTEST_HINT:
            return hint * (1 + 0.1 * self.caller.jitter())
        if fault.at_once and self.retries == 1:
            return 0.0
        ceiling: float = min(policy.longest_wait, policy.first_wait * 2 ** (self.retries - 1))
        return ceiling * self.caller.jitter()

    def _pause(self, fault: Fault, wait: float) -> None:
        name, policy = f"{fault.error.provider}:{fault.error.model}", self.caller.policy
        if not isinstance(fault.error, RateLimitedError):
            logger.info(
                "%s: %s, waiting %.0f s (%d/%d)",
                name, fault.error, wait, self.retries, policy.max_retries,
            )  # fmt: skip
            if wait > 0:
                self._sleep(wait)
            return
        logger.info("%s: rate limited, waiting %.0f s", name, wait)
        self.report("limited", error=fault.error, seconds=wait)
        self.owed = wait
        # Hit again and again, a call steps back further than it was told to.
        step = policy.first_wait * 2 ** (self.limited - PATIENT_HITS)
        grown = min(policy.longest_wait, step, self.patience() - wait)
        if self.limited > PATIENT_HITS and grown > wait:
            self._sleep(grown - wait)


def _say_too_long(error: BackendError, wait: float, policy: Policy) -> None:
    asked = f"asked to wait {wait:.0f} s, budget {policy.retry_budget:.0f} s"
    error.args = (f"{error.args[0]} Gave up: {asked}. Resume later, or raise retry_budget=.",)


@define
class _Try(Generic[T]):
    """A try in a thread of its own, so that a trickle of bytes cannot hold the caller."""

    done: threading.Event = field(factory=threading.Event)
    lock: threading.Lock = field(factory=threading.Lock)
    abandoned: bool = False
    value: Any = None
    raised: Exception | None = None

    def run(self, work: Callable[[], T], discard: Callable[[T], object] | None) -> None:
        try:
            value = work()
        except Exception as error:  # noqa: BLE001 - handed to the caller's thread
            self.raised = error
        else:
            with self.lock:
                self.value = value
                late = self.abandoned
            if late and discard is not None:
                discard(value)
        finally:
            self.done.set()


def within(
    seconds: float, work: Callable[[], T], discard: Callable[[T], object] | None = None
) -> T:
    """The result of ``work``, or give it up after ``seconds``.

    The SDKs' timeouts are per read, so a byte now and then outlives them all; here the whole try
    has one deadline. What is given up runs on in a daemon thread; its result goes to ``discard``.

    Raises:
        OverdueError: The deadline passed.
    """
    attempt: _Try[T] = _Try()
    threading.Thread(target=attempt.run, args=(work, discard), daemon=True).start()
    finished = False
    try:
        finished = attempt.done.wait(seconds)
    finally:
        if not finished:
            _abandon(attempt, discard)
    if not finished:
        raise OverdueError(f"no complete answer within {seconds:g} s")
    if attempt.raised is not None:
        raise attempt.raised
    value: T = attempt.value
    return value


def _abandon(attempt: _Try[T], discard: Callable[[T], object] | None) -> None:
    with attempt.lock:
        attempt.abandoned = True
        came_in = attempt.value
    if came_in is not None and discard is not None:
        discard(came_in)
