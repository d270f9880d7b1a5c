"""Backends whose finished calls are never paid for twice."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from attrs import define, evolve, field

from phyrefine._secrets import scrub_json
from phyrefine.errors import InvalidInputError, StoreError
from phyrefine.identities import refresh
from phyrefine.protocols import LLM, VLM, Store, identity
from phyrefine.run.budget.meter import Meter
from phyrefine.run.store.keys import Turns, request_key
from phyrefine.serialize import from_json, to_json
from phyrefine.types import Answer, Chunk, GeneratorProfile, Question, Shot, Usage
from phyrefine.video.clip import Clip
from phyrefine.video.large.lazy import is_large

log = logging.getLogger(__name__)

T = TypeVar("T", Clip, Chunk)

# What reading a value of another schema raises: it was stored by another version.
_UNFIT = (InvalidInputError, KeyError, TypeError, AttributeError)


def _made_anew(key: str, error: Exception) -> None:
    log.warning("The stored %s is of another schema and is made anew: %s", key, error)


@define
class StoredAsker:
    """A VLM or an LLM whose answers are kept. Errors are not.

    Attributes:
        backend: The one that answers; its identity is part of the key.
        store: Where answers are kept.
        meter: Told what an answer from the store once cost.
    """

    backend: VLM | LLM
    store: Store
    meter: Meter = field(factory=Meter)
    _turns: Turns = field(factory=Turns, init=False, repr=False)

    @property
    def identity(self) -> str:
        """The backend's."""
        return identity(self.backend)

    def ask(self, question: Question) -> Answer:
        """The stored answer, else the backend's, which is stored."""
        key = self._key(question)
        with self._turns.take(key):
            found = self._find(key, question)
            if found is not None:
                return found
            kept = scrub_json(to_json(self.backend.ask(question)))
            answer = from_json(kept, Answer)  # what is used now is what is found again later
            self.store.put(key, kept)
            self.meter.paid(key)
            return answer

    def recall(self, question: Question) -> Answer | None:
        """The stored answer, or ``None``; never asks the backend."""
        return self._find(self._key(question), question)

    def _key(self, question: Question) -> str:
        return request_key(question.stage, self.backend, "ask", question)

    def _find(self, key: str, question: Question) -> Answer | None:
        value = self.store.get(key)
        if value is None:
            return None
        try:
            answer = from_json(value, Answer)
        except _UNFIT as error:
            _made_anew(key, error)
            return None
        usage = answer.usage
        if usage.usd is None and answer.model:  # its price may be known by now
            usage = self.meter.price(usage, [answer.model], billed=True)
        self.meter.recalled(question.stage, key, usage)
        return answer


@define
class StoredGenerator:
    """A video generator whose clips, and chunks where it streams, are kept. Errors are not.

    A streaming generator is always driven chunk by chunk, so that after an interruption it goes on
    after the last finished chunk.

    Attributes:
        backend: The one that generates; its identity is part of the key.
        store: Where clips are kept.
        meter: Told what a clip from the store once took.
    """

    backend: Any  # a VideoGenerator; profile.streaming says whether it is a StreamingGenerator too
    store: Store
    meter: Meter = field(factory=Meter)
    _turns: Turns = field(factory=Turns, init=False, repr=False)

    @property
    def identity(self) -> str:
        """The backend's."""
        return identity(self.backend)

    @property
    def profile(self) -> GeneratorProfile:
        """The backend's."""
        profile: GeneratorProfile = self.backend.profile
        return profile

    def generate(self, shot: Shot) -> Clip:
        """The stored clip, else the backend's, which is stored."""
        refresh(self.backend)
        key = request_key("generate", self.backend, "generate", shot)
        with self._turns.take(key):
            found: Clip | None = self._find(key, Clip)
            if found is not None:
                return found
            with self.meter.tally() as tally:
                clip = self._make(shot)
            self._keep(key, clip, tally.usage)
            return self._from_store(key, clip)

    def stream(self, shot: Shot) -> Iterator[Chunk]:
        """The stored chunks, then the backend's, each stored before it is given out."""
        key = request_key("", self.backend, "stream", shot)
        done: list[Chunk] = []
        while (chunk := self._find(f"chunk{len(done)}{key}", Chunk)) is not None:
            done.append(chunk)
            yield chunk
        if self.store.get(f"end{len(done)}{key}") is not None:
            return
        if done:
            accepted = (*shot.accepted, *(chunk.clip for chunk in done))
            shot = evolve(shot, accepted=accepted, state=done[-1].state)
        live = self.backend.stream(shot)
        for index in itertools.count(len(done)):
            with self.meter.tally() as tally:
                chunk = next(live, None)
            if chunk is None:
                self.store.put(f"end{index}{key}", index)
                return
            self._keep(f"chunk{index}{key}", chunk, tally.usage)
            yield chunk

    def deliver(self, shot: Shot, chunks: Sequence[Clip]) -> Clip:
        """The backend's."""
        clip: Clip = self.backend.deliver(shot, chunks)
        return clip

    def _make(self, shot: Shot) -> Clip:
        if not self.profile.streaming:
            clip: Clip = self.backend.generate(shot)
            return clip
        made = [chunk.clip for chunk in self.stream(shot)]
        return self.deliver(shot, [*shot.accepted, *made])

    def _from_store(self, key: str, clip: Clip) -> Clip:
        """A large clip as the store has it, which may not hold its frames in memory."""
        if not (is_large(clip.as_made.pixels.shape) and clip.as_made.held_bytes):
            return clip
        kept, _ = self._stored(key, Clip)
        return clip if kept is None else kept

    def _keep(self, key: str, made: Clip | Chunk, usage: Usage) -> None:
        value = to_json(made, keep=self.store.put_clip)
        self.store.put(key, {"made": value, "usage": to_json(usage)})
        self.meter.paid(key)

    def _find(self, key: str, kind: type[T]) -> T | None:
        """What is stored under ``key``, if its frames are there too; the meter is told."""
        made, usage = self._stored(key, kind)
        if made is not None:
            self.meter.recalled("generate", key, usage)
        return made

    def _stored(self, key: str, kind: type[T]) -> tuple[T | None, Usage]:
        value = self.store.get(key)
        if value is None:
            return None, Usage()
        lost: list[str] = []

        def fetch(digest: str) -> Clip | None:
            clip = self.store.get_clip(digest)
            if clip is None:
                lost.append(digest)
            return clip

        try:
            made = from_json(value["made"], kind, fetch=fetch)
            return made, from_json(value["usage"], Usage)
        except _UNFIT as error:
            _made_anew(key, error)
        except StoreError:
            if not lost:
                raise
            log.warning("The frames %s are gone from the store and are made again.", lost[0])
        return None, Usage()
