"""One event loop in a thread of its own, for backends that are ``async``.

All coroutines run on the same loop, so that a client that is bound to one (as HTTP clients are)
serves every call, also from a notebook whose own loop is running.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import threading
from collections.abc import Awaitable
from typing import Any


@functools.cache
def _loop_of(_pid: int) -> asyncio.AbstractEventLoop:
    """The loop of this process; a forked one needs its own, for threads do not survive."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="phyrefine-async", daemon=True).start()
    return loop


def finish(value: Any) -> Any:
    """The value itself, or what it gives when it can be awaited; waits for it.

    Raises:
        RuntimeError: Called from a coroutine that runs on that same loop.
    """
    if not inspect.isawaitable(value):
        return value
    loop = _loop_of(os.getpid())
    if loop.is_running() and _runs_here(loop):
        if inspect.iscoroutine(value):
            value.close()
        raise RuntimeError(
            "An async backend called phyrefine, which waits for another async backend. Call it "
            "from a thread instead: await asyncio.to_thread(...)."
        )
    future = asyncio.run_coroutine_threadsafe(_awaited(value), loop)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
