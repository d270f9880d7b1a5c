"""What a backend, a selector, a convergence policy, a listener and a store must offer.

Each protocol has one method that takes one request object, so that a new field never breaks a
backend. To change behavior, wrap an object; never subclass one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from phyrefine.errors import InvalidInputError
from phyrefine.identities import identity
from phyrefine.types import (
    JSON,
    Answer,
    Attempt,
    Choice,
    Chunk,
    GeneratorProfile,
    Pool,
    PoolScores,
    Question,
    Scenario,
    Shot,
    Verdict,
)
from phyrefine.video.clip import Clip

__all__ = [
    "LLM",
    "VLM",
    "BatchingGenerator",
    "Convergence",
    "Listener",
    "Scorer",
    "Selector",
    "Store",
    "StreamingGenerator",
    "VideoGenerator",
    "batch_size_for",
    "identity",
]


@runtime_checkable
class VLM(Protocol):
    """Watches clips and answers in text."""

    def ask(self, question: Question, /) -> Answer:
        """Answer one question about ``question.clips``.

        Raises:
            BackendError: The model could not answer; the subclass says why.
        """
        ...


@runtime_checkable
class LLM(Protocol):
    """Answers in text; never looks at ``question.clips``."""

    def ask(self, question: Question, /) -> Answer:
        """Answer one question.

        Raises:
            BackendError: The model could not answer; the subclass says why.
        """
        ...


@runtime_checkable
class VideoGenerator(Protocol):
    """Continues a prefix under a prompt."""

    @property
    def profile(self) -> GeneratorProfile:
        """What it can do."""
        ...

    def generate(self, shot: Shot, /) -> Clip:
        """Exactly ``shot.frames`` new frames at ``shot.fps``, none of the prefix.

        The frames as the model made them are kept in ``Clip.native``.

        Raises:
            GenerationError: The model failed.
        """
        ...


@runtime_checkable
class StreamingGenerator(VideoGenerator, Protocol):
    """A video generator that gives out chunk by chunk, and can go on from finished chunks."""

    def stream(self, shot: Shot, /) -> Iterator[Chunk]:
        """Yield the native frames after ``shot.accepted``, chunk by chunk.

        Joined with the accepted chunks they are what ``generate`` would have made natively.
        """
        ...

    def deliver(self, shot: Shot, chunks: Sequence[Clip], /) -> Clip:
        """The delivered clip made of all native chunks, with ``native`` kept."""
        ...


@runtime_checkable
class BatchingGenerator(VideoGenerator, Protocol):
    """A video generator that can make several clips of one prompt in one call.

    One that streams offers ``stream_many(shots) -> Iterator[Sequence[Chunk]]`` as well: a chunk of
    every shot at a time. Its shots may carry accepted chunks, all the same number.
    """

    def batch_size_for(self, shot: Shot, /) -> int:
        """Most shots like this one, other seeds apart, for one call; 1 where there is no gain."""
        ...

    def generate_many(self, shots: Sequence[Shot], /) -> Sequence[Clip]:
        """The clips of shots that differ only in their seed, in order.

        At most ``batch_size_for`` of them. Each clip is the one that ``generate`` would make, but
        for rounding.

        Raises:
            GeneratorMemoryError: They do not fit together; the caller tries half as many.
            GenerationError: The model failed.
        """
        ...


def batch_size_for(generator: Any, shot: Shot) -> int:
    """Most shots like this one for one call of any generator; 1 where it makes one at a time.

    Raises:
        InvalidInputError: It tells a size and has no method for a batch.
    """
    own = getattr(generator, "batch_size_for", None)
    if not callable(own):
        return 1
    most = max(1, int(own(shot)))
    needed = ("generate_many", *(("stream_many",) if generator.profile.streaming else ()))
    lacking = [name for name in needed if not callable(getattr(generator, name, None))]
    if most > 1 and lacking:
        raise InvalidInputError(
            f"{generator.profile.name} takes {most} shots in one call by its batch_size_for, but "
            f"has no {' and no '.join(lacking)}."
        )
    return most


@runtime_checkable
class Selector(Protocol):
    """Chooses a clip from a pool without ground truth."""

    def choose(self, scenario: Scenario, attempts: Sequence[Attempt], /) -> Choice:
        """Choose among all candidates of all attempts (at least one)."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """Scores one continuation without ground truth; higher is better."""

    @property
    def name(self) -> str:
        """Under which the scores are recorded."""
        ...

    def score(self, scenario: Scenario, clip: Clip, /) -> float:
        """Score a delivered clip."""
        ...


@runtime_checkable
class PoolScorer(Protocol):
    """Scores all clips of a pool at once, without ground truth; higher is better."""

    @property
    def name(self) -> str:
        """Under which the scores are recorded."""
        ...

    def score_pool(self, pool: Pool, /) -> PoolScores:
        """A score for every clip of the pool, or NaN where there is no opinion."""
        ...


@runtime_checkable
class Enough(Protocol):
    """Decides whether a prompt needs further clips.

    One that wants so many clips in any case says so in an attribute ``least``: these may be made
    in one call, where the generator can, and all further ones come one at a time.
    """

    def decide(self, pool: Pool, /) -> Verdict:
        """Speak after each new clip of a prompt; ``pool`` holds all made from it so far."""
        ...


@runtime_checkable
class Convergence(Protocol):
    """Decides, from what has happened so far and without ground truth, whether to stop."""

    def decide(self, history: Sequence[Attempt], /) -> Verdict:
        """Speak after each attempt; ``history[-1]`` is the newest (and may be the only one)."""
        ...


@runtime_checkable
class Listener(Protocol):
    """Hears what happens; its errors never stop a run."""

    def on_event(self, event: str, details: Mapping[str, Any], /) -> None:
        """``event`` is a short name such as ``"attempt"``; ``details`` are the values."""
        ...


@runtime_checkable
class Store(Protocol):
    """Keeps replies and clips by the digest of what produced them."""

    def get(self, key: str, /) -> JSON | None:
        """The JSON value under ``key``, or ``None``."""
        ...

    def put(self, key: str, value: JSON, /) -> None:
        """Keep a JSON value; whole or not at all."""
        ...

    def get_clip(self, digest: str, /) -> Clip | None:
        """The clip with that ``Clip.digest``, pixel for pixel, or ``None``."""
        ...

    def put_clip(self, clip: Clip, /) -> str:
        """Keep a clip, lossless, and its ``native``; gives its digest."""
        ...
