"""The one place that says in which order backends are wrapped.

From the outside in::

    WithFallback            keeps both sides whole, so that the store keys on the one that answered
      Stored               what is kept costs nothing: neither a slot nor money
        Checked            what cannot be used at all is an error before it is kept
          Limited, Pooled  waiting for a slot is not time spent in the backend
            Metered        the budget is checked last, right before the call
              Timed        a call that is late is counted
                backend    with its own retries
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phyrefine.identities import name_of
from phyrefine.protocols import LLM, VLM, Listener, Store, VideoGenerator
from phyrefine.run.budget.meter import Meter
from phyrefine.run.budget.metered import MeteredAsker, MeteredGenerator
from phyrefine.run.calls.checked import CheckedAsker
from phyrefine.run.calls.timeouts import TimedAsker, TimedGenerator
from phyrefine.run.fallback import WithFallback
from phyrefine.run.limited import LimitedAsker, PooledGenerator
from phyrefine.run.store.keys import require_name
from phyrefine.run.store.mirrored import MirroredStore
from phyrefine.run.store.store import FolderStore
from phyrefine.run.store.stored import BatchLimit, StoredAsker, StoredGenerator

# Enough to hide the latency of a service, few enough for the rate limits of a first-tier key.
MAX_CONCURRENCY = 8
# Stores in which another process looks for what this one made.
LASTING = (FolderStore, MirroredStore)


def wrap_asker(
    backend: VLM | LLM,
    *,
    store: Store,
    meter: Meter,
    max_concurrency: int = MAX_CONCURRENCY,
    listeners: Sequence[Listener] = (),
    timeout: float | None = None,
    json_prompts: bool = False,
) -> VLM | LLM:
    """A VLM or an LLM that is stored, checked, limited, metered and timed.

    Args:
        backend: The model, or a :class:`~phyrefine.run.fallback.WithFallback` of two.
        store: Where answers are kept.
        meter: Counts, and refuses calls when the budget is spent.
        max_concurrency: Calls of one model in progress at once, in this process.
        listeners: Get a ``call`` event for every call made.
        timeout: Seconds one call may take; ``None`` leaves that to the backend.
        json_prompts: See :class:`~phyrefine.run.calls.checked.CheckedAsker`.

    Raises:
        UnnamedError: The store is a folder and the backend has no lasting identity.
    """
    if isinstance(backend, WithFallback):
        first, second = (
            wrap_asker(
                side,
                store=store,
                meter=meter,
                max_concurrency=max_concurrency,
                listeners=listeners,
                timeout=timeout,
                json_prompts=json_prompts,
            )
            for side in (backend.primary, backend.secondary)
        )
        return WithFallback(first, second, given_up=backend.given_up)
    if isinstance(store, LASTING):
        require_name(backend)
    timed = backend if timeout is None else TimedAsker(backend, timeout)
    limited = LimitedAsker(MeteredAsker(timed, meter, listeners), max_concurrency)
    checked = CheckedAsker(limited, name_of(backend), json_prompts=json_prompts)
    return StoredAsker(checked, store, meter)


def wrap_generator(
    backend: VideoGenerator | Sequence[VideoGenerator],
    *,
    store: Store,
    meter: Meter,
    listeners: Sequence[Listener] = (),
    timeout: float | None = None,
    journal: Sequence[Listener] = (),
    limit: BatchLimit | None = None,
) -> StoredGenerator:
    """A video generator that is stored, makes one clip per device at a time, and is metered.

    Args:
        backend: The generator, or the same one on several devices.
        store: Where clips and finished chunks are kept.
        meter: Counts, and refuses calls when the budget is spent.
        listeners: Get a ``call`` event for every clip or chunk made.
        timeout: Seconds one clip, or one chunk of a stream, may take; ``None`` for no limit.
        journal: Get a ``generators`` event whenever a device is taken or given back.
        limit: Of clips made in one call, where other wrappings of the generator share it.

    Raises:
        UnnamedError: The store is a folder and the backend has no lasting identity.
    """
    each: Sequence[Any] = backend if isinstance(backend, list | tuple) else [backend]
    if isinstance(store, LASTING):
        require_name(each[0])
    timed = each if timeout is None else [_timed(one, timeout) for one in each]
    pool = PooledGenerator([MeteredGenerator(one, meter, listeners) for one in timed], journal)
    return StoredGenerator(pool, store, meter, limit or BatchLimit())


def _timed(generator: Any, seconds: float) -> Any:
    """With a limit on each clip; one with a queue of its own keeps it behind that queue."""
    own = getattr(generator, "with_timeout", None)
    return own(seconds) if callable(own) else TimedGenerator(generator, seconds)
