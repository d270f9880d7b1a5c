"""Ensembles that need no model: the last clip, the critic's pick, a random pick."""

from __future__ import annotations

import random
from collections.abc import Sequence

from attrs import frozen

from phyrefine.select.pool import entries, highest
from phyrefine.types import Attempt, Choice, Critique, Entry, Scenario


@frozen
class Last:
    """The last loop's clip: what the paper's single-loop rows report."""

    def choose(self, scenario: Scenario, attempts: Sequence[Attempt]) -> Choice:
        """The critic's clip of the last attempt."""
        pool = entries(attempts)
        last = pool[-1].attempt
        entry = next(entry for entry in pool if entry.attempt is last)
        return Choice(entry.pick, "last", f"{entry.name} is the last")


@frozen
class CriticsPick:
    """Keep-best by the critic's own verdicts: least severity times confidence.

    Only clips the critic watched compete: the first candidate of each attempt, or those that have
    a critique of their own. Cheap, and blind to whatever the critic is blind to.
    """

    def choose(self, scenario: Scenario, attempts: Sequence[Attempt]) -> Choice:
        """The clip with the least found wrong; the last one when nothing was judged."""
        said = {entry.key: _critique(entry) for entry in entries(attempts)}
        judged = {
            key: -one.severity - (100.0 if one.still else 0)
            for key, one in said.items()
            if one is not None
        }
        pool = [entry for entry in entries(attempts) if entry.key in judged]
        if not pool:
            return Last().choose(scenario, attempts)
        return highest(pool, judged, "critics_pick")


def _critique(entry: Entry) -> Critique | None:
    """What the critic said of this clip; ``None`` where it was not watched."""
    own = entry.candidate.seen
    if own is not None:
        return own
    alone = all(one.seen is None for one in entry.attempt.candidates)
    return entry.attempt.critique if entry.pick.candidate == 0 and alone else None


@frozen
class RandomPick:
    """A clip drawn evenly: the baseline any selector must beat.

    Attributes:
        seed: Draws the same clip for the same pool size.
    """

    seed: int = 0

    def choose(self, scenario: Scenario, attempts: Sequence[Attempt]) -> Choice:
        """Draw one."""
        pool = entries(attempts)
        entry = random.Random(f"{self.seed} {scenario.description}").choice(pool)  # noqa: S311
        return Choice(entry.pick, "random", f"{entry.name} was drawn from {len(pool)} clips")
