"""What runs inside a worker: one generator, loaded once, that takes one order after the other."""

from __future__ import annotations

import logging
import os
import pickle
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from attrs import evolve, frozen

from phyrefine.errors import GenerationError, PhyrefineError
from phyrefine.run.calls.timeouts import TimedGenerator
from phyrefine.run.cluster.pacers import host_on_cluster
from phyrefine.run.cluster.recipe import Described, Recipe
from phyrefine.run.error_translation import out_of_memory
from phyrefine.types import Chunk, Shot
from phyrefine.video.clip import Clip

log = logging.getLogger(__name__)
# A worker computes with as many threads as the driver would, or results could differ by rounding.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@frozen
class Order:
    """One call, on its way to a worker.

    Attributes:
        kind: ``generate`` or ``stream``.
        shots: One, or several that differ only in their seed and are made in one call. Without
            their prefix, which travels by itself so that it is sent once to each machine.
        number: By which the driver can stop it.
        timeout: Seconds one clip, or one chunk of a stream, may take; ``None`` for no limit.
    """

    kind: Literal["generate", "stream"]
    shots: tuple[Shot, ...]
    number: int
    timeout: float | None = None


@frozen
class Begun:
    """The worker has begun an order; what is lost from now on may be the order's own fault."""


@frozen
class Made:
    """A clip or a chunk of each shot, and how long they took on the device."""

    values: tuple[Clip | Chunk, ...]
    seconds: float


@frozen
class Failed:
    """What went wrong, as an error that can travel; ``memory`` if the device was full."""

    error: Exception
    memory: bool = False


@frozen
class Busy:
    """How a worker spent its time so far.

    Attributes:
        clips: Clips made, streams counted as one.
        busy: Seconds in the generator.
        span: Seconds from the first order's begin to the last one's end.
    """

    clips: int = 0
    busy: float = 0.0
    span: float = 0.0


class Worker:
    """The actor. Nothing in it raises: what goes wrong is told, so that it survives its errors.

    Args:
        recipe: What to load.
        threads: The driver's settings of the number of threads.
    """

    def __init__(self, recipe: Recipe, threads: dict[str, str]) -> None:
        for name in THREAD_VARIABLES:
            os.environ.pop(name, None)
        os.environ.update(threads)
        host_on_cluster()
        self._recipe = recipe
        self._own: Any = None
        self._timed: dict[float, TimedGenerator] = {}
        self._described: Described | Failed | None = None
        self._stopped: set[int] = set()
        self._clips, self._busy = 0, 0.0
        self._first, self._last = 0.0, 0.0
        self._closing = threading.Event()

    def arrived(self) -> None:
        """Answer at once: the worker has found room on a machine, and may begin to load."""

    def describe(self) -> Described | Failed:
        """Load the generator, the first time; what was loaded, or why it was not."""
        if self._described is None:
            try:
                self._own = self._recipe.make()
                self._described = Described.of(self._own)
            except Exception as error:  # noqa: BLE001 - the driver is told, whatever it is
                self._described = _failed(error)
        return self._described

    def wait(self) -> None:
        """Return when the worker is told to end; until then its loss is noticed here."""
        self._closing.wait()

    def end(self) -> None:
        """Let :meth:`wait` return."""
        self._closing.set()

    def run(self, order: Order, prefix: Clip | None) -> Iterator[Begun | Made | Failed]:
        """Do an order: ``Begun``, then what is made, or what went wrong as the last item."""
        yield Begun()
        described = self.describe()
        if isinstance(described, Failed):
            yield described
            return
        begun = time.monotonic()
        self._first = self._first or begun
        try:
            shots = [evolve(shot, prefix=prefix) for shot in order.shots]
            for values in self._values(shots, order):
                yield Made(tuple(values), time.monotonic() - begun)
                self._busy += time.monotonic() - begun
                if order.number in self._stopped:
                    break
                begun = time.monotonic()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the driver raises it
            self._busy += time.monotonic() - begun
            yield _failed(error)
        else:
            self._clips += len(order.shots)
        self._last = time.monotonic()
        self._stopped.discard(order.number)

    def _values(
        self, shots: Sequence[Shot], order: Order
    ) -> Iterator[Sequence[Clip] | Sequence[Chunk]]:
        backend = self._own
        if order.timeout is not None:  # one object per limit: it knows of calls that are late
            backend = self._timed.setdefault(order.timeout, TimedGenerator(backend, order.timeout))
        if order.kind == "stream":
            several = len(shots) > 1
            yield from backend.stream_many(shots) if several else _each(backend.stream(shots[0]))
        elif len(shots) > 1:
            yield backend.generate_many(shots)
        else:
            yield [backend.generate(shots[0])]

    def offer(self, name: str, *given: Any) -> Any:
        """What an optional method of the generator says, or a ``Failed``."""
        try:
            return getattr(self._own, name)(*given)
        except Exception as error:  # noqa: BLE001 - told to the driver, which raises it
            return _failed(error)

    def stop(self, number: int) -> None:
        """End a stream after the chunk in progress: nobody reads it any more."""
        self._stopped.add(number)

    def cancel(self, on: bool) -> None:
        """Tell the generator to stop within the clip in progress, or that it may go on."""
        event = getattr(self._own, "cancel", None)
        if isinstance(event, threading.Event):
            (event.set if on else event.clear)()

    def spent(self) -> Busy:
        """How the time was spent so far."""
        return Busy(self._clips, self._busy, max(0.0, self._last - self._first))


def _each(chunks: Iterator[Chunk]) -> Iterator[Sequence[Chunk]]:
    for chunk in chunks:
        yield [chunk]


def _failed(error: BaseException) -> Failed:
    if not isinstance(error, Exception):  # only the driver's own Ctrl-C ends the driver
        error = GenerationError(f"The worker was stopped by {type(error).__name__}.")
    if not isinstance(error, PhyrefineError):
        log.error("The video generator failed.", exc_info=error)
    return Failed(_portable(error), out_of_memory(error))


def _portable(error: Exception) -> Exception:
    """The error itself, if another process can read it."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - a class of the user's may fail in any way
        return GenerationError(f"{type(error).__name__}: {error}")
    return error
