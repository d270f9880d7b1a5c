"""Clips of one prompt that are made in one call, and kept one by one."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from attrs import define, evolve, field, frozen

from phyrefine.run.store.kept import KeptClips
from phyrefine.run.store.keys import request_key
from phyrefine.types import Chunk, Shot, Usage
from phyrefine.video.clip import Clip


@frozen
class Batch:
    """Shots that differ only in their seed, none of whose clips is stored.

    Chunks are stored as they come, so that after an interruption the clips go on after the last
    ones. Clips with another number of finished chunks than the first take no part.

    Attributes:
        backend: Makes them.
        kept: Where chunks are kept.
        shots: By the keys of their clips.
    """

    backend: Any
    kept: KeptClips
    shots: Mapping[str, Shot]

    def make(self) -> dict[str, tuple[Clip, Usage]]:
        """The first clips by their keys, and what each took, its share of the seconds.

        Fewer than asked where the budget has less room; none where the first can only be made
        alone.
        """
        return self._streamed() if self.backend.profile.streaming else self._whole()

    def _whole(self) -> dict[str, tuple[Clip, Usage]]:
        with self.kept.meter.tally() as tally:
            clips = self.backend.generate_many(list(self.shots.values()))
        share = tally.usage.shared(len(clips))
        return {key: (clip, share) for key, clip in zip(self.shots, clips, strict=False)}

    def _streamed(self) -> dict[str, tuple[Clip, Usage]]:
        begun = [_Begun.of(self, key) for key in self.shots]
        first = begun[0]
        begun = [one for one in begun if one.finished == first.finished]
        if first.ended or len(begun) < 2 or not all(one.recall() for one in begun):
            return {}
        live = iter(self.backend.stream_many([one.rest for one in begun]))
        for index in itertools.count(first.finished):
            with self.kept.meter.tally() as tally:
                chunks = next(live, None)
            if chunks is None:
                break
            begun = begun[: len(chunks)]  # for which the budget has room
            share = tally.usage.shared(len(chunks))
            for one, chunk in zip(begun, chunks, strict=True):
                one.add(index, chunk, share)
        for one in begun:
            one.end()
        return {one.key: (one.delivered(), one.usage) for one in begun}


@define
class _Begun:
    """One clip of a batch while its chunks come."""

    batch: Batch
    key: str
    stream_key: str
    finished: int
    chunks: list[Chunk] = field(factory=list)
    usage: Usage = field(factory=Usage)

    @classmethod
    def of(cls, batch: Batch, key: str) -> _Begun:
        stream = request_key("", batch.backend, "stream", batch.shots[key])
        count = next(n for n in itertools.count() if not batch.kept.has(f"chunk{n}{stream}"))
        return cls(batch, key, stream, count)

    @property
    def shot(self) -> Shot:
        return self.batch.shots[self.key]

    @property
    def ended(self) -> bool:
        """Whether only the clip as a whole is lacking."""
        return self.batch.kept.has(f"end{self.finished}{self.stream_key}")

    @property
    def rest(self) -> Shot:
        """The shot with its finished chunks."""
        if not self.chunks:
            return self.shot
        accepted = (*self.shot.accepted, *(chunk.clip for chunk in self.chunks))
        return evolve(self.shot, accepted=accepted, state=self.chunks[-1].state)

    def recall(self) -> bool:
        """Take the finished chunks from the store; whether all their frames are there."""
        for index in range(self.finished):
            chunk, usage = self.batch.kept.recall(f"chunk{index}{self.stream_key}", Chunk)
            if chunk is None:
                return False
            self.chunks.append(chunk)
            self.usage = self.usage + usage
        return True

    def add(self, index: int, chunk: Chunk, usage: Usage) -> None:
        self.batch.kept.keep(f"chunk{index}{self.stream_key}", chunk, usage)
        self.chunks.append(chunk)
        self.usage = self.usage + usage

    def end(self) -> None:
        self.batch.kept.store.put(f"end{len(self.chunks)}{self.stream_key}", len(self.chunks))

    def delivered(self) -> Clip:
        made = [chunk.clip for chunk in self.chunks]
        clip: Clip = self.batch.backend.deliver(self.shot, [*self.shot.accepted, *made])
        return clip
