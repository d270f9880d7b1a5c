"""The one place that says in which order backends are wrapped.

From the outside in::

    WithFallback            keeps both sides whole, so that the store keys on the one that answered
      Stored               what is kept costs nothing: neither a slot nor money
        Limited, Pooled    waiting for a slot is not time spent in the backend
          Metered          the budget is checked last, right before the call
            the backend    with its own retries
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phyrefine.protocols import LLM, VLM, Listener, Store, VideoGenerator
from phyrefine.run.budget.meter import Meter
from phyrefine.run.budget.metered import MeteredAsker, MeteredGenerator
from phyrefine.run.fallback import WithFallback
from phyrefine.run.limited import LimitedAsker, PooledGenerator
from phyrefine.run.store.keys import warn_if_nameless
from phyrefine.run.store.store import FolderStore
from phyrefine.run.store.stored import StoredAsker, StoredGenerator

# Enough to hide the latency of a service, few enough for the rate limits of a first-tier key.
MAX_CONCURRENCY = 8


def wrap_asker(
    backend: VLM | LLM,
    *,
    store: Store,
    meter: Meter,
    max_concurrency: int = MAX_CONCURRENCY,
    listeners: Sequence[Listener] = (),
) -> VLM | LLM:
    """A VLM or an LLM that is stored, limited and metered.

    Args:
        backend: The model, or a :class:`~phyrefine.run.fallback.WithFallback` of two.
        store: Where answers are kept.
        meter: Counts, and refuses calls when the budget is spent.
        max_concurrency: Calls of one model under way at once.
        listeners: Hear a ``call`` event for every call made.
    """
    if isinstance(backend, WithFallback):
        first, second = (
            wrap_asker(
                side,
                store=store,
                meter=meter,
                max_concurrency=max_concurrency,
                listeners=listeners,
            )
            for side in (backend.primary, backend.secondary)
        )
        return WithFallback(first, second, given_up=backend.given_up)
    if isinstance(store, FolderStore):
        warn_if_nameless(backend)
    metered = MeteredAsker(backend, meter, listeners)
    return StoredAsker(LimitedAsker(metered, max_concurrency), store, meter)


def wrap_generator(
    backend: VideoGenerator | Sequence[VideoGenerator],
    *,
    store: Store,
    meter: Meter,
    listeners: Sequence[Listener] = (),
) -> VideoGenerator:
    """A video generator that is stored, makes one clip per device at a time, and is metered.

    Args:
        backend: The generator, or the same one on several devices.
        store: Where clips and finished chunks are kept.
        meter: Counts, and refuses calls when the budget is spent.
        listeners: Hear a ``call`` event for every clip or chunk made.
    """
    each: Sequence[Any] = backend if isinstance(backend, list | tuple) else [backend]
    if isinstance(store, FolderStore):
        warn_if_nameless(each[0])
    pool = PooledGenerator([MeteredGenerator(one, meter, listeners) for one in each])
    return StoredGenerator(pool, store, meter)
