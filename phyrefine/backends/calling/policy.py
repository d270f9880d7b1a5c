"""How patient a client is, what a failed try is worth, and the clock that waits go by."""

from __future__ import annotations

import time
from typing import Generic, Literal, Protocol, TypeVar

from attrs import field, frozen, validators

from phyrefine.errors import BackendError
from phyrefine.types import Usage

T = TypeVar("T")
Change = Literal["smaller", "longer", "shorter", "parameter", "seed", "file"]


class Clock(Protocol):
    """Time for waits between tries; tests bring their own."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; Ctrl-C ends it at once."""
        ...


class SystemClock:
    """The computer's monotonic clock."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@frozen
class Policy:
    """How patient a client is.

    Attributes:
        timeout: Seconds one try may take, from first to last byte.
        max_retries: Retries after the first try, for faults that may pass. A 429 that says when
            to come back takes none.
        retry_budget: Seconds one call may take, tries and waits together.
        first_wait: Longest first wait without a hint from the server; it doubles every time.
        longest_wait: Longest wait without a hint.
        trip_after: Faults in a row, over all workers of a model that did answer before, after
            which the service counts as down and the run pauses.
        outage: Longest such pause in seconds; 0 never pauses.
    """

    timeout: float = field(default=120.0, validator=validators.gt(0))
    max_retries: int = field(default=4, validator=validators.ge(0))
    retry_budget: float = field(default=300.0, validator=validators.gt(0))
    first_wait: float = field(default=1.0, validator=validators.ge(0))
    longest_wait: float = field(default=60.0, validator=validators.ge(0))
    trip_after: int = field(default=5, validator=validators.ge(1))
    outage: float = field(default=900.0, validator=validators.ge(0))


@frozen
class Fault:
    """One failed try, and what it is worth to try again.

    Attributes:
        error: What the caller gets when trying ends here.
        retries: Most retries for this kind of fault; ``None`` for the policy's.
        at_once: The first retry need not wait.
        change: The request must change in this way before it is sent again.
        detail: What to change: for ``parameter`` its name, for ``shorter`` the most tokens.
        said: The server's words, for ``parameter``: they may name what it takes instead.
        unwell: It says that the service is down; such faults in a row open the circuit.
        sent: The request reached the service, so that it may be billed.
        usage: What the failed try took, where that is known: services do not bill what they
            reject.
    """

    error: BackendError
    retries: int | None = None
    at_once: bool = False
    change: Change | None = None
    detail: str = ""
    said: str = field(default="", repr=False)
    unwell: bool = False
    sent: bool = True
    usage: Usage = field(factory=Usage)


class FaultSignalError(Exception):
    """Carries a :class:`Fault` out of a try; never leaves this package."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault.error))
        self.fault = fault


class OverdueError(Exception):
    """A try passed its deadline and was abandoned; never leaves this package."""


@frozen
class Done(Generic[T]):
    """What a call gave, and what it took.

    Attributes:
        value: The result of the try that succeeded.
        tries: Requests made.
        usage: What the failed tries took; ``calls`` counts those that reached the service.
    """

    value: T
    tries: int
    usage: Usage
