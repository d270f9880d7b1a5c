"""Backends that answer a bounded number of calls at a time, whoever asks.

A limit belongs to the backend object, not to one wrapping of it: it holds across scenarios,
threads and refiners of this process.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from attrs import define, field

from phyrefine.errors import InvalidInputError
from phyrefine.protocols import LLM, VLM, Listener, batch_size_for, identity
from phyrefine.run.journal import notify
from phyrefine.types import Answer, Chunk, GeneratorProfile, Question, Shot
from phyrefine.video.clip import Clip

# A waiting thread wakes this often, so that a signal that comes just before it waits is noticed.
WAKE_SECONDS = 0.2

_changed = threading.Condition()
_telling = threading.Lock()
# Calls in progress by the id of the object that makes them, which lives as long as the call.
_busy: collections.Counter[int] = collections.Counter()


def resource_of(backend: Any) -> Any:
    """The user's own object behind our wrappers: that of a bound method, the function of a wrapper.

    Args:
        backend: Any backend, wrapped or not.
    """
    for name in ("backend", "function", "__self__"):
        inner = getattr(backend, name, None)
        inside = isinstance(inner, type) or inner is None or isinstance(backend, functools.partial)
        if not inside and type(inner).__name__ != "module":
            return resource_of(inner)
    return backend


@contextlib.contextmanager
def _taken(backends: Sequence[Any], limits: Sequence[int]) -> Iterator[int]:
    """Wait until one of these has less calls in progress than its limit; gives its index."""
    keys = [id(resource_of(backend)) for backend in backends]
    with _changed:
        while True:
            free = [at for at, key in enumerate(keys) if _busy[key] < limits[at]]
            if free:
                break
            _changed.wait(WAKE_SECONDS)
        index = min(free, key=lambda at: _busy[keys[at]])
        _busy[keys[index]] += 1
    try:
        yield index
    finally:
        with _changed:
            _busy[keys[index]] -= 1
            if not _busy[keys[index]]:
                del _busy[keys[index]]
            _changed.notify_all()


@define
class LimitedAsker:
    """A VLM or an LLM asked by at most ``max_concurrency`` threads at a time.

    Attributes:
        backend: The one that answers.
        max_concurrency: Calls in progress at once; the others wait their turn.
    """

    backend: VLM | LLM
    max_concurrency: int = field()

    @max_concurrency.validator
    def _check(self, _: object, value: int) -> None:
        if value < 1:
            raise InvalidInputError(f"max_concurrency must be 1 or more, not {value}")

    @property
    def identity(self) -> str:
        """The backend's."""
        return identity(self.backend)

    def ask(self, question: Question) -> Answer:
        """Wait for a slot, then ask."""
        with _taken([self.backend], [self.max_concurrency]):
            return self.backend.ask(question)


@define
class PooledGenerator:
    """Interchangeable video generators, one per device; each call takes one that is free.

    A single generator in the pool is one that makes a clip at a time, whatever the number of
    threads, scenarios and refiners. While a stream is read its generator is taken: a thread that
    streams must not ask the same pool for a clip in between.

    Attributes:
        backends: Generators of the same identity. One that takes several calls at once may stand
            here several times, or says how many in an attribute ``slots``.
        listeners: Hear a ``generators`` event, how many are ``busy`` of ``all``, whenever one is
            taken or given back. One backend that stands for several devices says both in
            ``occupied()``.
    """

    backends: Sequence[Any] = field()
    listeners: Sequence[Listener] = ()
    _limits: Sequence[int] = field(init=False, repr=False)

    @backends.validator
    def _check(self, _: object, value: Sequence[Any]) -> None:
        names = sorted({identity(backend) for backend in value})
        if len(names) != 1:
            raise InvalidInputError(
                f"A pool holds one kind of generator on several devices, not {names or 'none'}."
            )

    @_limits.default
    def _times_listed(self) -> Sequence[int]:
        owners = [resource_of(backend) for backend in self.backends]
        keys = [id(owner) for owner in owners]
        return [
            keys.count(key) * int(getattr(owner, "slots", 1))
            for key, owner in zip(keys, owners, strict=True)
        ]

    @property
    def identity(self) -> str:
        """That of every generator in the pool."""
        return identity(self.backends[0])

    @property
    def profile(self) -> GeneratorProfile:
        """That of every generator in the pool."""
        profile: GeneratorProfile = self.backends[0].profile
        return profile

    def generate(self, shot: Shot) -> Clip:
        """Wait for a free generator, then generate."""
        with self._slot() as index:
            clip: Clip = self.backends[index].generate(shot)
            return clip

    def stream(self, shot: Shot) -> Iterator[Chunk]:
        """Wait for a free generator, then stream from it."""
        with self._slot() as index:
            yield from self.backends[index].stream(shot)

    def batch_size_for(self, shot: Shot) -> int:
        """What all of them take: any of them may be the one that is free."""
        return min(batch_size_for(backend, shot) for backend in self.backends)

    def generate_many(self, shots: Sequence[Shot]) -> Sequence[Clip]:
        """Wait for a free generator, then make all clips in one call of it."""
        with self._slot() as index:
            clips: Sequence[Clip] = self.backends[index].generate_many(shots)
            return clips

    def stream_many(self, shots: Sequence[Shot]) -> Iterator[Sequence[Chunk]]:
        """Wait for a free generator, then stream all clips from it."""
        with self._slot() as index:
            yield from self.backends[index].stream_many(shots)

    def deliver(self, shot: Shot, chunks: Sequence[Clip]) -> Clip:
        """Any generator's: it takes no device."""
        clip: Clip = self.backends[0].deliver(shot, chunks)
        return clip

    @contextlib.contextmanager
    def _slot(self) -> Iterator[int]:
        try:
            with _taken(self.backends, self._limits) as index:
                self._tell()
                yield index
        finally:
            self._tell()

    def _tell(self) -> None:
        if not self.listeners:
            return
        with _telling:  # so that the last event told is the last that happened
            keys = {id(resource_of(backend)) for backend in self.backends}
            with _changed:
                busy = sum(_busy[key] for key in keys)
            own = getattr(resource_of(self.backends[0]), "occupied", None)
            busy, there = own() if callable(own) else (busy, len(self.backends))
            notify(self.listeners, "generators", {"busy": busy, "all": there})
