"""Backends that answer a bounded number of calls at a time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from attrs import define, field

from phyrefine.errors import InvalidInputError
from phyrefine.protocols import LLM, VLM, identity
from phyrefine.types import Answer, Chunk, GeneratorProfile, Question, Shot
from phyrefine.video.clip import Clip


@define
class LimitedAsker:
    """A VLM or an LLM asked by at most ``max_concurrency`` threads at a time.

    Attributes:
        backend: The one that answers.
        max_concurrency: Calls under way at once; the others wait their turn.
    """

    backend: VLM | LLM
    max_concurrency: int
    _slots: threading.Semaphore = field(init=False, repr=False)

    @_slots.default
    def _make_slots(self) -> threading.Semaphore:
        if self.max_concurrency < 1:
            raise InvalidInputError(
                f"max_concurrency must be 1 or more, not {self.max_concurrency}"
            )
        return threading.Semaphore(self.max_concurrency)

    @property
    def identity(self) -> str:
        """The backend's."""
        return identity(self.backend)

    def ask(self, question: Question) -> Answer:
        """Wait for a slot, then ask."""
        with self._slots:
            return self.backend.ask(question)


@define
class PooledGenerator:
    """Interchangeable video generators, one per device; each call takes one that is free.

    A single generator in the pool is one that makes a clip at a time, whatever the number of
    threads. While a stream is read its generator is taken: a thread that streams must not ask the
    same pool for a clip in between.

    Attributes:
        backends: Generators of the same identity; an API that makes several clips at once may
            stand here several times.
    """

    backends: Sequence[Any]
    _free: queue.SimpleQueue[Any] = field(init=False, repr=False)

    @_free.default
    def _all_free(self) -> queue.SimpleQueue[Any]:
        names = sorted({identity(backend) for backend in self.backends})
        if len(names) != 1:
            raise InvalidInputError(
                f"A pool holds one kind of generator on several devices, not {names or 'none'}."
            )
        free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for backend in self.backends:
            free.put(backend)
        return free

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
        backend = self._free.get()
        try:
            clip: Clip = backend.generate(shot)
            return clip
        finally:
            self._free.put(backend)

    def stream(self, shot: Shot) -> Iterator[Chunk]:
        """Wait for a free generator, then stream from it."""
        backend = self._free.get()
        try:
            yield from backend.stream(shot)
        finally:
            self._free.put(backend)

    def deliver(self, shot: Shot, chunks: Sequence[Clip]) -> Clip:
        """Any generator's: it takes no device."""
        clip: Clip = self.backends[0].deliver(shot, chunks)
        return clip
