"""The clips a selector chooses from, and what a scorer says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Self

from attrs import evolve, field, frozen

from phyrefine.errors import InvalidInputError
from phyrefine.types.results import Attempt, Candidate, Pick, pick_key
from phyrefine.types.scenario import Scenario
from phyrefine.types.texts import Prompt
from phyrefine.video.clip import Clip


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


@frozen
class Pool:
    """All clips of one scenario, in the order they were made.

    Attributes:
        scenario: What was asked.
        entries: At least one.
    """

    scenario: Scenario
    entries: tuple[Entry, ...]

    def __attrs_post_init__(self) -> None:
        if not self.entries:
            raise InvalidInputError("There is no clip to choose from: no attempt was finished.")

    @classmethod
    def of(cls, scenario: Scenario, attempts: Sequence[Attempt]) -> Self:
        """Every candidate of every attempt.

        Raises:
            InvalidInputError: There is no clip.
        """
        found = (
            Entry(Pick(index, number), attempt, candidate)
            for index, attempt in enumerate(attempts)
            for number, candidate in enumerate(attempt.candidates)
        )
        return cls(scenario, tuple(found))

    @classmethod
    def of_clips(cls, scenario: Scenario, clips: Iterable[Clip]) -> Self:
        """Bare clips, as candidates of one attempt: keys are ``"0.0"``, ``"0.1"``, ...

        Raises:
            InvalidInputError: There is no clip.
        """
        candidates = tuple(Candidate(clip, seed) for seed, clip in enumerate(clips))
        return cls.of(scenario, [Attempt(1, Prompt(scenario.description), candidates)])

    @property
    def keys(self) -> tuple[str, ...]:
        """Key of each entry."""
        return tuple(entry.key for entry in self.entries)

    @property
    def clips(self) -> tuple[Clip, ...]:
        """Clip of each entry, as delivered."""
        return tuple(entry.candidate.clip for entry in self.entries)

    def __getitem__(self, key: str) -> Entry:
        for entry in self.entries:
            if entry.key == key:
                return entry
        raise InvalidInputError(f"{key!r} is not in the pool {list(self.keys)}.")

    def only(self, keys: Iterable[str]) -> Self:
        """The pool without the other entries.

        Raises:
            InvalidInputError: None of the keys is in it.
        """
        wanted = set(keys)
        return evolve(self, entries=tuple(e for e in self.entries if e.key in wanted))


@frozen
class PoolScores:
    """What a scorer says of the clips of a pool.

    Attributes:
        values: Score of each clip by key, higher is better; NaN is no opinion.
        notes: What a reader should know: who gave no answer, what could not be told apart.
        noise: Standard deviation of one score, where the scorer knows it.
    """

    values: Mapping[str, float]
    notes: tuple[str, ...] = ()
    noise: float | None = field(default=None)
