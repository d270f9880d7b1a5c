"""Versions of one continuation: the chunks made so far, and how to make the next ones."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from attrs import evolve, field, frozen

from phyrefine.errors import InvalidInputError
from phyrefine.types import Chunk, Shot
from phyrefine.video.clip import Clip, join


@frozen
class Version:
    """Chunks of a continuation, from its beginning on.

    Attributes:
        shot: With the prompts it was made from.
        chunks: With the states to go on after each.
    """

    shot: Shot
    chunks: tuple[Chunk, ...] = field(default=())

    @property
    def clips(self) -> tuple[Clip, ...]:
        """Native clip of each chunk."""
        return tuple(chunk.clip for chunk in self.chunks)

    @property
    def joined(self) -> Clip:
        """All native frames so far."""
        return join(self.clips)

    @property
    def finished(self) -> bool:
        """Whether all seconds that the shot asks for are there, to half a frame."""
        made = sum(clip.duration for clip in self.clips)
        return bool(self.chunks) and made >= self.shot.seconds - 0.5 / self.clips[0].fps

    def kept(self, cut: int) -> Version:
        """Its first ``cut`` chunks."""
        return evolve(self, chunks=self.chunks[:cut])

    def cut_before(self, seconds: float) -> int:
        """Chunks that end at ``seconds`` or before."""
        end, count = 0.0, 0
        for clip in self.clips:
            end += clip.duration
            if end > seconds + 1e-6:
                break
            count += 1
        return min(count, len(self.chunks) - 1)


def going_on(generator: Any, begun: Version, seed: int) -> Iterator[Version]:
    """The version with one more chunk each time, made under ``seed``.

    With no chunks and the shot's own seed this is what ``generate`` makes.

    Args:
        generator: A streaming generator.
        begun: Its chunks are accepted as they are.
        seed: Noise of the chunks that are made.
    """
    shot = begun.shot
    if begun.chunks or seed != shot.seed:
        shot = evolve(shot, seed=seed, chunk_seeds=())
    if begun.chunks:
        shot = evolve(shot, accepted=begun.clips, state=begun.chunks[-1].state)
    version = begun
    with contextlib.closing(generator.stream(shot)) as chunks:
        for chunk in chunks:
            version = evolve(version, chunks=(*version.chunks, chunk))
            yield version


def deliver(generator: Any, version: Version) -> Clip:
    """The delivered clip of a finished version."""
    clip: Clip = generator.deliver(version.shot, version.clips)
    return clip


def fresh_seed(shot: Shot, number: int) -> int:
    """A seed that no other try of the shot has; the same in every run.

    Args:
        shot: Its seed is mixed in.
        number: Of the try, from 1.
    """
    digest = hashlib.blake2b(f"try {shot.seed} {number}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


def require_streaming(generator: Any, what: str) -> None:
    """Refuse a generator that cannot go on from accepted chunks.

    Raises:
        InvalidInputError: It does not stream.
    """
    if not generator.profile.streaming:
        raise InvalidInputError(
            f"{what} makes parts of a clip anew, but {generator.profile.name} makes clips whole. "
            "Use a streaming generator (world, magi), or choose among whole clips: "
            "SelfRefiner.best_of."
        )


def own_shot(shot: Shot, what: str) -> Shot:
    """The shot, if nothing of it is accepted yet.

    Raises:
        InvalidInputError: It already goes on from chunks.
    """
    accepted: Sequence[Clip] = shot.accepted
    if accepted:
        raise InvalidInputError(f"{what} begins a clip; a shot with accepted chunks is not new.")
    return shot
