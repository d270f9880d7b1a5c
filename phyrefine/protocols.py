"""What a backend, a selector, a convergence policy, a listener and a store must offer.

Each protocol has one method that takes one request object, so that a new field never breaks a
backend. To change behavior, wrap an object; never subclass one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

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
    "Convergence",
    "Listener",
    "Scorer",
    "Selector",
    "Store",
    "StreamingGenerator",
    "VideoGenerator",
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
    """Decides whether a prompt needs further clips."""

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
