"""The one retry layer in front of every service; the SDKs' own are off.

A *call* is what the caller waits for; a *try* is one request. Each try has a deadline of its own
(``timeout``), a call has a budget of retries and seconds, and all workers that use one model share
a :class:`~phyrefine.backends.calling.pacing.Pacer`.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from attrs import define, field

from phyrefine.backends.calling.excerpt import shown
from phyrefine.backends.calling.pacing import Pacer
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
                fault = self._fault(raised)
                call.note(fault)
                if not call.may_go_on(fault, amend):
                    _raise(fault.error, raised)
            except BaseException:  # Ctrl-C
                self.pacer.left()
                raise
            else:
                self.pacer.answered()
                return Done(value, call.tries, call.usage)

    def _fault(self, raised: Exception) -> Fault:
        if isinstance(raised, FaultSignalError):
            return raised.fault
        fault = self.classify(raised)
        return fault if not isinstance(raised, OverdueError) else _overdue(fault, self.policy)


def _overdue(fault: Fault, policy: Policy) -> Fault:
    error = BackendTimeoutError(
        f"{fault.error.provider}:{fault.error.model} sent no complete answer within "
        f"{policy.timeout:g} s. Raise timeout=, or ask for less.",
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
    usage: Usage = field(factory=Usage)
    retries: int = 0
    kinds: Counter[tuple[str, str, str]] = field(factory=Counter)

    def enter(self) -> None:
        """Wait at the pacer, then count a try."""
        caller = self.caller
        try:
            self.excluded += caller.pacer.enter(
                caller.clock,
                patience=self.patience(),
                outage=caller.policy.outage,
                jitter=caller.jitter,
            )
        except BackendError as error:
            error.attempts, error.usage = self.tries, self.usage
            raise
        self.tries += 1

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
        caller, policy = self.caller, self.caller.policy
        kind = (type(fault.error).__name__, fault.change or "", fault.detail)
        seen = self.kinds[kind]
        self.kinds[kind] += 1
        if caller.pacer.fault(caller.clock, fault.error, fault.unwell, policy):
            return True
        most = policy.max_retries if fault.retries is None else fault.retries
        if fault.change is not None:
            return seen < most and amend(fault)
        if seen >= min(most, policy.max_retries) or self.retries >= policy.max_retries:
            return False
        self.retries += 1
        wait = self._wait(fault)
        if wait >= self.patience():
            _say_too_long(fault.error, wait, policy)
            return False
        self._pause(fault, wait)
        return True

    def _wait(self, fault: Fault) -> float:
        policy, hint = self.caller.policy, fault.error.retry_after
        if hint is not None and isinstance(fault.error, RateLimitedError):
            return hint  # the pacer adds the jitter, for every worker its own
        if hint is not None:
            return hint * (1 + 0.1 * self.caller.jitter())
        if fault.at_once and self.retries == 1:
            return 0.0
        ceiling: float = min(policy.longest_wait, policy.first_wait * 2 ** (self.retries - 1))
        return ceiling * self.caller.jitter()

    def _pause(self, fault: Fault, wait: float) -> None:
        name, most = f"{fault.error.provider}:{fault.error.model}", self.caller.policy.max_retries
        why = "rate limited" if isinstance(fault.error, RateLimitedError) else str(fault.error)
        logger.info("%s: %s, waiting %.0f s (%d/%d)", name, why, wait, self.retries, most)
        if isinstance(fault.error, RateLimitedError):
            self.caller.pacer.pause(self.caller.clock, wait, fault.error)
        elif wait > 0:
            self.caller.clock.sleep(wait)


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
