"""Backends whose finished calls are never paid for twice."""

from __future__ import annotations

import contextlib
import itertools
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import define, evolve, field

from phyrefine._secrets import scrub_json
from phyrefine.errors import GeneratorLostError
from phyrefine.identities import refresh
from phyrefine.protocols import LLM, VLM, Store, batch_size_for, identity
from phyrefine.run.budget.meter import Meter
from phyrefine.run.error_translation import out_of_memory
from phyrefine.run.store.kept import UNFIT, KeptClips, Together, made_anew
from phyrefine.run.store.keys import Turns, request_key
from phyrefine.run.store.together import Batch
from phyrefine.serialize import from_json, to_json
from phyrefine.types import Answer, Chunk, GeneratorProfile, Question, Shot
from phyrefine.video.clip import Clip

log = logging.getLogger(__name__)


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
        except UNFIT as error:
            made_anew(key, error)
            return None
        usage = answer.usage
        if usage.usd is None and answer.model:  # its price may be known by now
            usage = self.meter.price(usage, [answer.model], billed=True)
        self.meter.recalled(question.stage, key, usage)
        return answer


@define
class BatchLimit:
    """How many clips may be made in one call, after memory ran out.

    Attributes:
        most: Clips of one call.
        reduced_from: The batch size before memory ran out; ``None`` if it never did.
    """

    most: int = sys.maxsize
    reduced_from: int | None = None

    def reduce(self, most: int, before: int) -> None:
        """From now on ``most``, where there were ``before``."""
        self.most = min(self.most, max(1, most))
        self.reduced_from = self.reduced_from or before


@define
class StoredGenerator:
    """A video generator whose clips, and chunks where it streams, are kept. Errors are not.

    A streaming generator is always driven chunk by chunk, so that after an interruption it goes on
    after the last finished chunk.

    Attributes:
        backend: The one that generates; its identity is part of the key.
        store: Where clips are kept.
        meter: Told what a clip from the store once took.
        limit: Of clips made in one call.
    """

    backend: Any  # a VideoGenerator; profile.streaming says whether it is a StreamingGenerator too
    store: Store
    meter: Meter = field(factory=Meter)
    limit: BatchLimit = field(factory=BatchLimit)
    _turns: Turns = field(factory=Turns, init=False, repr=False)
    _kept: KeptClips = field(init=False, repr=False)

    @_kept.default
    def _keeping(self) -> KeptClips:
        return KeptClips(self.store, self.meter)

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
        return self._generate(shot)

    def _generate(self, shot: Shot) -> Clip:
        key = request_key("generate", self.backend, "generate", shot)
        with self._turns.take(key):
            found: Clip | None = self._kept.find(key, Clip)
            if found is not None:
                return found
            with self.meter.tally() as tally:
                clip = self._make(shot)
            self._kept.keep(key, clip, tally.usage)
            return self._kept.as_stored(key, clip)

    def stream(self, shot: Shot) -> Iterator[Chunk]:
        """The stored chunks, then the backend's, each stored before it is given out."""
        key = request_key("", self.backend, "stream", shot)
        done: list[Chunk] = []
        while (chunk := self._kept.find(f"chunk{len(done)}{key}", Chunk)) is not None:
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
            self._kept.keep(f"chunk{index}{key}", chunk, tally.usage)
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

    # -- batches -------------------------------------------------------------------------------

    def generate_each(self, shots: Sequence[Shot]) -> Iterator[Clip]:
        """Clips of shots that differ only in their seed, in order, each once it is there.

        What is stored costs nothing. The others go to the backend in batches as large as it takes
        and the budget has room for; a batch that is out of memory is halved, down to single clips.
        After a batch whose worker was lost the rest is made one by one, so that a clip which ends
        its worker takes no other with it.
        """
        ready: dict[int, Clip] = {}
        apart = False
        for index, shot in enumerate(shots):
            if index not in ready and not apart:
                refresh(self.backend)
                try:
                    ready |= self._batch(shots, index)
                except GeneratorLostError as error:
                    apart = True
                    log.warning("A batch is lost; its clips are made one by one. %s", error)
            yield ready.pop(index) if index in ready else self._generate(shot)

    def made_together(self, clip: Clip) -> Together | None:
        """How a clip was made that shared its call with others; ``None`` if it was alone."""
        return self._kept.together.get(clip.as_made.digest)

    def _batch(self, shots: Sequence[Shot], first: int) -> dict[int, Clip]:
        """The first clip and those that are made together with it; none if it is made alone."""
        own_key = request_key("generate", self.backend, "generate", shots[first])
        if len(shots) - first < 2 or self._kept.has(own_key):
            return {}  # a generator elsewhere need not be asked
        size = batch_size_for(self.backend, shots[first])
        while (most := min(size, self.limit.most)) > 1:
            wanted: dict[str, int] = {}
            for index in range(first, len(shots)):
                key = request_key("generate", self.backend, "generate", shots[index])
                if len(wanted) < most and not self._kept.has(key):
                    wanted.setdefault(key, index)
            if first not in wanted.values() or len(wanted) < 2:
                return {}
            try:
                made = self._together({key: shots[index] for key, index in wanted.items()}, size)
            except Exception as error:
                if not out_of_memory(error):
                    raise
                why = str(error)
            else:
                return {wanted[key]: clip for key, clip in made.items()}
            # Outside the handler the traceback, and the tensors it holds, are gone.
            self._halve(len(wanted), batch_size_for(self.backend, shots[first]), size, why)
        return {}

    def _together(self, shots: Mapping[str, Shot], size: int) -> dict[str, Clip]:
        with contextlib.ExitStack() as turns:
            for key in sorted(shots):  # so that two batches never wait for each other
                turns.enter_context(self._turns.take(key))
            lacking = {key: shot for key, shot in shots.items() if not self._kept.has(key)}
            if len(lacking) < 2:
                return {}
            made = Batch(self.backend, self._kept, lacking).make()
            told = self._how(next(iter(lacking.values())), len(made), size)
            for key, (clip, usage) in made.items():
                self._kept.keep(key, clip, usage, told)
            return {key: self._kept.as_stored(key, clip) for key, (clip, _) in made.items()}

    def _how(self, shot: Shot, count: int, size: int) -> Together | None:
        """What is noted of a batch of ``count``; the backend may have gone on with fewer."""
        now, limit = batch_size_for(self.backend, shot), self.limit
        if now < min(size, limit.most):
            limit.reduce(now, size)
        how = Together(min(count, now, limit.most), limit.reduced_from)
        if count > 1:
            log.info("%s: %d clips, %s.", self.profile.name, count, how)
        return how if count > 1 else None

    def _halve(self, failed: int, now: int, size: int, why: str) -> None:
        self.limit.reduce(min(failed // 2, now), size)
        log.warning(
            "%s: %d clips do not fit into memory at once; going on with %d. %s",
            self.profile.name, failed, self.limit.most, why,
        )  # fmt: skip
