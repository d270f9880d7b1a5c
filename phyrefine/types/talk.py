"""What goes to a VLM or an LLM and comes back."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from phyrefine.types.aliases import JSON, Stage
from phyrefine.video.clip import Clip


@frozen
class Question:
    """One call of a VLM or an LLM.

    Attributes:
        stage: Which step of the method asks.
        text: The user message.
        instruction: The system message (I and K).
        clips: Videos to watch, in order; an LLM gets none.
        labels: What each clip is, as the text names it; as many as ``clips``, or none.
        seam: Seconds into ``clips[0]`` at which the generated part begins, if it has one.
        schema: JSON schema the reply must satisfy; ``None`` for plain text.
        sample: 0 for the first look, 1, 2, ... for independent repetitions of it.
    """

    stage: Stage
    text: str
    instruction: str = ""
    clips: tuple[Clip, ...] = ()
    labels: tuple[str, ...] = ()
    seam: float | None = None
    schema: Mapping[str, JSON] | None = None
    sample: int = 0


@frozen
class Usage:
    """What calls took. Add them up with ``+``.

    Attributes:
        calls: Calls that reached a backend.
        tokens: Counts by kind: ``input``, ``output``, ``thinking``, ``cached``. Kinds a service
            does not report are absent.
        seconds: Wall time inside backends.
        gpu_seconds: Wall time inside video generators.
        usd: Cost in US dollars; ``None`` when any part of it is unknown.
        saved_calls: Calls answered from the store instead of a backend.
        clips: Clips made, in whole continuations; a chunk is a part of one.
        chunks: Chunks made; a clip that is made in one piece is one.
    """

    calls: int = 0
    tokens: Mapping[str, int] = field(factory=dict)
    seconds: float = 0.0
    gpu_seconds: float = 0.0
    usd: float | None = 0.0
    saved_calls: int = 0
    clips: float = 0.0
    chunks: int = 0

    def __add__(self, other: Usage) -> Usage:
        kinds = {**self.tokens, **other.tokens}
        known = self.usd is not None and other.usd is not None
        return Usage(
            calls=self.calls + other.calls,
            tokens={kind: self.tokens.get(kind, 0) + other.tokens.get(kind, 0) for kind in kinds},
            seconds=self.seconds + other.seconds,
            gpu_seconds=self.gpu_seconds + other.gpu_seconds,
            usd=self.usd + other.usd if known else None,  # type: ignore[operator]
            saved_calls=self.saved_calls + other.saved_calls,
            clips=self.clips + other.clips,
            chunks=self.chunks + other.chunks,
        )

    def shared(self, count: int) -> Usage:
        """The part of one of ``count`` results that were made together, all alike.

        Whole numbers are counts that every result has once, so they must be divisible.
        """
        return Usage(
            calls=self.calls // count,
            tokens={kind: tokens // count for kind, tokens in self.tokens.items()},
            seconds=self.seconds / count,
            gpu_seconds=self.gpu_seconds / count,
            usd=None if self.usd is None else self.usd / count,
            saved_calls=self.saved_calls // count,
            clips=self.clips / count,
            chunks=self.chunks // count,
        )


@frozen
class Answer:
    """What a VLM or an LLM said.

    Attributes:
        text: The reply, as it came.
        model: The model that answered, which may differ from the one asked.
        usage: What the call took.
        finish: Why it ended: ``stop``, ``length``, or the service's own word.
    """

    text: str
    model: str | None = None
    usage: Usage = field(factory=Usage)
    finish: str = "stop"
