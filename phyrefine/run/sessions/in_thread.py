"""Blocking work for ``async`` callers, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
POLL_SECONDS = 0.05
_END = object()


async def in_thread(work: Callable[[], T], cancel: Callable[[], object]) -> T:
    """The work's result.

    Not ``asyncio.to_thread``, whose pool is small and shared: a run may take hours.

    Args:
        work: Called in a new thread.
        cancel: Called when the waiting task is cancelled; the work ends in the background.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(setting: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            setting(value)

    def run() -> None:
        setting, value = future.set_result, None
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            setting, value = future.set_exception, error  # type: ignore[assignment]
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, setting, value)

    context = contextvars.copy_context()
    threading.Thread(
        target=context.run, args=(run,), name="phyrefine-async-run", daemon=True
    ).start()
    try:
        return await future
    except asyncio.CancelledError:
        cancel()
        raise


async def iterate_in_threads(items: Iterator[T], cancel: Callable[[], object]) -> AsyncGenerator[T]:
    """The items, each made in a thread when it is asked for.

    Args:
        items: An iterator that may block.
        cancel: Called when the waiting task is cancelled or the iteration is closed early.
    """
    try:
        while True:
            item = await in_thread(lambda: next(items, _END), cancel)
            if item is _END:
                return
            yield item  # type: ignore[misc]
    finally:
        cancel()
        threading.Thread(target=_close, args=(items,), daemon=True).start()


def _close(items: Iterator[object]) -> None:
    """Close a generator, once whoever is inside it has come out."""
    closing = getattr(items, "close", None)
    while closing is not None:
        try:
            closing()
        except ValueError:  # it is still running in another thread
            time.sleep(POLL_SECONDS)
        else:
            return
