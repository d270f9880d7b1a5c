"""What a search within one clip did: which chunks it made anew, and what that was worth."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen


@frozen
class SearchTry:
    """One version of a continuation, or of its next chunk.

    Attributes:
        cut: Chunks that were kept; the try made those after them.
        seed: Seed of its new chunks.
        chunks: Chunks it made.
        found: Violations the verifier found; ``None`` where it was not asked or could not tell.
        score: Higher is better; minus the verifier's severity, or the scorer's score.
        first: Seconds of the continuation at which the first violation begins.
        kept: The search went on from it.
        note: What a reader should know.
    """

    cut: int
    seed: int
    chunks: int
    found: int | None = None
    score: float | None = None
    first: float | None = None
    kept: bool = False
    note: str = ""


@frozen
class SearchRecord:
    """What a search took and what it found.

    Attributes:
        kind: ``"backtracking"`` or ``"chunk_search"``.
        tries: In order; the first of backtracking is the plain clip.
        chunks: Chunks made by all tries together.
        calls: Questions to models, where they are metered.
        tokens: Tokens of the models' calls by kind.
        ended: ``"clean"``, ``"budget"``, ``"done"``, or the kind of error that ended it.
        reason: In words.
        false_accept: Share of planted faults that the verifier passed; ``None`` if not measured.
        false_reject: Share of unchanged clips that the verifier complained about.
        planted: Faulty clips behind ``false_accept``.
        notes: What a reader should know.
    """

    kind: str
    tries: tuple[SearchTry, ...] = ()
    chunks: int = 0
    calls: int = 0
    tokens: Mapping[str, int] = field(factory=dict)
    ended: str = "done"
    reason: str = ""
    false_accept: float | None = None
    false_reject: float | None = None
    planted: int = 0
    notes: tuple[str, ...] = ()

    def in_words(self) -> str:
        """One line for reports and logs."""
        calls = f", {self.calls} questions" if self.calls else ""
        rate = (
            f"; the verifier passed {self.false_accept:.0%} of {self.planted} planted faults"
            if self.false_accept is not None
            else ""
        )
        return (
            f"{self.kind.replace('_', ' ')}: {len(self.tries)} tries, {self.chunks} chunks{calls}; "
            f"{self.ended}: {self.reason}{rate}"
        )
