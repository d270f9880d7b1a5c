"""Ensembles that need no model: the last clip, the critic's pick, a random pick."""

from __future__ import annotations

import random
from collections.abc import Sequence

from attrs import frozen

from phyrefine.select.pool import entries, highest
from phyrefine.types import Attempt, Choice, Scenario


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

    Only clips the critic watched compete: the first candidate of each attempt. Cheap, and blind
    to whatever the critic is blind to.
    """

    def choose(self, scenario: Scenario, attempts: Sequence[Attempt]) -> Choice:
        """The clip with the least found wrong; the last one when nothing was judged."""
        judged = {
            entry.key: -entry.attempt.critique.severity
            - (100.0 if entry.attempt.critique.still else 0)
            for entry in entries(attempts)
            if entry.pick.candidate == 0 and entry.attempt.critique is not None
        }
        pool = [entry for entry in entries(attempts) if entry.key in judged]
        if not pool:
            return Last().choose(scenario, attempts)
        return highest(pool, judged, "critics_pick")


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
