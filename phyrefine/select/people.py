"""The clip that people prefer. Not a rule: it has no opinion of clips that nobody rated."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
from attrs import field, frozen, validators

from phyrefine.errors import InvalidInputError
from phyrefine.select.pool import entries
from phyrefine.select.scorers.strengths import Matrix, bradley_terry
from phyrefine.types import Attempt, Choice, Entry, Scenario

PEOPLE = "people"


@frozen
class Preference:
    """What one person said of two clips.

    Attributes:
        first: Digest of a clip.
        second: Digest of another.
        won: 1 if the first is better, 0 if the second is, 0.5 if neither is.
        rater: Who said so.
    """

    first: str
    second: str
    won: float = field(validator=validators.in_((0.0, 0.5, 1.0)))
    rater: str = ""


def _tuple(preferences: Iterable[Preference]) -> tuple[Preference, ...]:
    return tuple(preferences)


@frozen
class HumanChoice:
    """Chooses the clip that people prefer, by their ratings of pairs.

    It is a type of its own: it cannot be named as an ensemble, combined with scorers or asked for a
    score, and every choice of it is stamped ``human``, so that no table takes it for an automatic
    selector's.

    Attributes:
        preferences: The ratings, as ``Study.preferences()`` of :mod:`phyrefine.rating` gives them.
    """

    preferences: tuple[Preference, ...] = field(converter=_tuple)

    def choose(self, scenario: Scenario, attempts: Sequence[Attempt]) -> Choice:
        """The clip with the highest Bradley-Terry strength; clips nobody rated do not compete.

        Raises:
            InvalidInputError: Nobody rated two of these clips.
        """
        rated = {digest for one in self.preferences for digest in (one.first, one.second)}
        pool = [entry for entry in entries(attempts) if entry.candidate.clip.digest in rated]
        digests = list(dict.fromkeys(entry.candidate.clip.digest for entry in pool))
        wins = win_matrix(self.preferences, digests)
        if not wins.any():
            name = scenario.name or scenario.description
            raise InvalidInputError(
                f"Nobody has rated two clips of {name!r} against each other: rate them first with "
                "phyrefine rate."
            )
        found = bradley_terry(wins)
        strength = dict(zip(digests, found.log.tolist(), strict=True))
        scores = {entry.key: strength[entry.candidate.clip.digest] for entry in pool}
        best = max(pool, key=lambda entry: scores[entry.key])
        reason = self._reason(best, digests, wins, separable=found.separable)
        noise = float(np.median(found.errors))
        return Choice(best.pick, PEOPLE, reason, scores, noise=noise, human=True)

    def _reason(self, best: Entry, digests: Sequence[str], wins: Matrix, *, separable: bool) -> str:
        index = digests.index(best.candidate.clip.digest)
        won, lost = wins[index].sum(), wins[:, index].sum()
        known = set(digests)
        raters = {p.rater for p in self.preferences if {p.first, p.second} <= known}
        people = f"{len(raters)} {'person' if len(raters) == 1 else 'people'}"
        told = f"{best.name} won {won:g} of {won + lost:g} comparisons by {people}"
        return told if separable else f"{told}; the best two cannot be told apart"


def win_matrix(preferences: Collection[Preference], names: Sequence[str]) -> Matrix:
    """float64 [N, N]: how often each clip of ``names`` won against each; a tie is half a win."""
    place = {name: index for index, name in enumerate(names)}
    wins = np.zeros((len(names), len(names)))
    for one in preferences:
        if one.first in place and one.second in place:
            i, j = place[one.first], place[one.second]
            wins[i, j] += one.won
            wins[j, i] += 1.0 - one.won
    return wins
