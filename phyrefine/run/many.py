"""Many scenarios at once, on threads; one that fails never takes the others with it."""

from __future__ import annotations

import contextlib
import queue
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from attrs import frozen

from phyrefine.errors import InvalidInputError

Item = TypeVar("Item")
Result = TypeVar("Result")

WAKE_SECONDS = 0.2


@frozen
class Outcome(Generic[Item, Result]):
    """What became of one item: a result or an error.

    Attributes:
        item: As it was given.
        result: ``None`` if it failed or was not reached.
        error: ``None`` if it succeeded.
    """

    item: Item
    result: Result | None = None
    error: BaseException | None = None

    @property
    def ok(self) -> bool:
        """It has a result."""
        return self.error is None


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C came; ``outcomes`` holds what was finished and, for the rest, that it was not."""

    def __init__(self, outcomes: Sequence[Outcome[Any, Any]]) -> None:
        finished = sum(outcome.ok for outcome in outcomes)
        super().__init__(
            f"Interrupted with {finished} of {len(outcomes)} finished. In a run folder, run the "
            "same command again to go on."
        )
        self.outcomes = list(outcomes)


def run_many(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int = 4,
    cancel: Callable[[], None] | None = None,
    progress: bool = True,
) -> list[Outcome[Item, Result]]:
    """Do ``work`` on every item, several at a time.

    Threads suit this work: they wait for services and for the device, whose generator takes one
    clip at a time however many threads ask (see :class:`~phyrefine.run.limited.PooledGenerator`).

    Args:
        work: Called with one item, in a worker thread.
        items: Scenarios, usually.
        workers: Items under way at once.
        cancel: Called once at Ctrl-C, to stop the workers before their next paid call; usually
            ``meter.cancel``.
        progress: Show a progress bar.

    Returns:
        One outcome per item, in the order of ``items``. Errors are in the outcomes.

    Raises:
        RunInterrupted: At Ctrl-C, at once; calls in progress finish in the background,
            and their results are discarded.
    """
    if workers < 1:
        raise InvalidInputError(f"workers must be 1 or more, not {workers}.")
    outcomes: list[Outcome[Item, Result]] = [
        Outcome(item, error=KeyboardInterrupt("stopped before it began")) for item in items
    ]
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    finished: queue.SimpleQueue[int] = queue.SimpleQueue()
    stopping = threading.Event()
    for index in range(len(items)):
        waiting.put(index)

    def worker() -> None:
        while not stopping.is_set():
            try:
                index = waiting.get_nowait()
            except queue.Empty:
                return
            outcomes[index] = _attempted(work, items[index])
            finished.put(index)

    try:
        # Daemons, so that a call that hangs cannot keep the process alive after Ctrl-C.
        for number in range(min(workers, len(items))):
            threading.Thread(target=worker, name=f"phyrefine-{number}", daemon=True).start()
        _watch(finished, len(items), progress=progress)
    except KeyboardInterrupt:
        stopping.set()
        if cancel is not None:
            cancel()
        raise RunInterrupted(list(outcomes)) from None
    return outcomes


def _attempted(work: Callable[[Item], Result], item: Item) -> Outcome[Item, Result]:
    try:
        return Outcome(item, work(item))
    except BaseException as error:  # noqa: BLE001 - whatever befell one item is its outcome
        return Outcome(item, error=error)


def _watch(finished: queue.SimpleQueue[int], count: int, *, progress: bool) -> None:
    from tqdm.auto import tqdm

    with tqdm(total=count, disable=not progress, unit="scenario") as bar:
        for _ in range(count):
            _next(finished)
            bar.update()


def _next(finished: queue.SimpleQueue[int]) -> int:
    # Never wait without end: a signal that comes just before a wait begins is heard after it.
    while True:
        with contextlib.suppress(queue.Empty):
            return finished.get(timeout=WAKE_SECONDS)


def shard(items: Sequence[Item], which: str) -> list[Item]:
    """Every n-th item, for the ``i``-th of ``n`` machines.

    Args:
        items: All of them, in the same order on every machine.
        which: ``"i/n"``, counted from 1.

    Raises:
        InvalidInputError: Not of that form, or ``i`` not within 1..n.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", which)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise InvalidInputError(
            f'A shard is "i/n" with i from 1 to n, for example "1/4": {which!r}'
        )
    return list(items[int(match[1]) - 1 :: int(match[2])])
