"""Run an iterator one item ahead, in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import torch

T = TypeVar("T")

_POLL_SECONDS = 0.1


class _Cancelled(Exception):  # noqa: N818 - raised inside the producer, never seen by callers
    """The consumer went away."""


class _Producer(Generic[T]):
    """The thread that works ahead, and the one-item shelf it puts its work on."""

    def __init__(self, make: Callable[[Callable[[], None]], Iterator[T]]) -> None:
        self._make = make
        self._closed = threading.Event()
        self._shelf: queue.Queue[tuple[list[T], BaseException | None]] = queue.Queue(maxsize=1)
        self._worker = threading.Thread(target=self._produce, name="magi-denoiser", daemon=True)

    def start(self) -> None:
        self._worker.start()

    def take(self) -> list[T]:
        """The next item, or nothing at the end; raises what the producer raised."""
        items, error = self._shelf.get()
        if error is not None:
            raise error
        return items

    def close(self) -> None:
        """Stop the producer at its next check and wait for it."""
        self._closed.set()
        self._worker.join()

    def _check(self) -> None:
        if self._closed.is_set():
            raise _Cancelled

    def _put(self, items: list[T], error: BaseException | None = None) -> None:
        while True:
            self._check()
            try:
                self._shelf.put((items, error), timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return

    def _produce(self) -> None:
        # A new thread learns torch's number of threads when it first asks. Until then its matrix
        # products take every core, and round as they would there, not as set_num_threads said.
        torch.get_num_threads()
        try:
            try:
                for item in self._make(self._check):
                    self._put([item])
                self._put([])
            except _Cancelled:
                raise
            except BaseException as error:  # noqa: BLE001 - handed to the consumer's thread
                self._put([], error)
        except _Cancelled:
            return


def run_ahead(make: Callable[[Callable[[], None]], Iterator[T]]) -> Iterator[T]:
    """Yield what ``make`` yields while it already works on the next item.

    Args:
        make: Gives the iterator; gets a function to call often, which raises when the consumer
            has closed this generator.
    """
    producer = _Producer(make)
    producer.start()
    try:
        while items := producer.take():
            yield items[0]
    finally:
        producer.close()
