"""The pool an ensemble chooses from: every candidate of every attempt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from phyrefine.errors import InvalidInputError
from phyrefine.types import Attempt, Candidate, Choice, Pick, pick_key


@frozen
class Entry:
    """One clip of the pool."""

    pick: Pick
    attempt: Attempt
    candidate: Candidate

    @property
    def key(self) -> str:
        """Its key in ``Choice.scores``."""
        return pick_key(self.pick)

    @property
    def name(self) -> str:
        """For reasons people read."""
        base = "the plain description" if self.attempt.baseline else f"loop {self.attempt.index}"
        steps = f", {self.candidate.steps} steps" if self.candidate.steps is not None else ""
        return f"{base} (seed {self.candidate.seed}{steps})"


def entries(attempts: Sequence[Attempt]) -> tuple[Entry, ...]:
    """Every candidate, in the order it was made.

    Raises:
        InvalidInputError: There is no clip to choose from.
    """
    found = tuple(_walk(attempts))
    if not found:
        raise InvalidInputError("There is no clip to choose from: no attempt was finished.")
    return found


def _walk(attempts: Sequence[Attempt]) -> Iterator[Entry]:
    for index, attempt in enumerate(attempts):
        for number, candidate in enumerate(attempt.candidates):
            yield Entry(Pick(index, number), attempt, candidate)


def highest(
    pool: Sequence[Entry],
    scores: Mapping[str, float],
    selector: str,
    *,
    oracle: bool = False,
    noise: float | None = None,
) -> Choice:
    """The entry with the highest score; the earlier one on a tie, so that ties change nothing."""
    best = max(pool, key=lambda entry: scores[entry.key])
    reason = f"{best.name} has the highest score, {scores[best.key]:.3g}, of {len(pool)} clips"
    return Choice(best.pick, selector, reason, dict(scores), oracle, noise)
