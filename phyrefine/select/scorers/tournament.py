"""A tournament of pairs, each asked in both orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray

from phyrefine.protocols import VLM
from phyrefine.refine import prompts, replies
from phyrefine.refine.asking import UNUSABLE, ask
from phyrefine.refine.stages import critic_view
from phyrefine.select.pool import highest
from phyrefine.select.scorers.judge import PIXELS
from phyrefine.select.scorers.strengths import bradley_terry, copeland
from phyrefine.types import Attempt, Choice, Entry, Pool, PoolScores, Question, Scenario
from phyrefine.video.clip import Clip

# A judge whose first-place share is further than this from one half follows the order.
ORDER_BIAS = 0.25
# With fewer questions the share says nothing.
ENOUGH_QUESTIONS = 12


@frozen
class Tournament:
    """Every pair compared by a VLM in both orders; ``n (n - 1)`` questions for ``n`` clips.

    A model that favors the first video it sees wins nothing by it: two answers that differ only
    by the order are a split, half a win each way.

    Attributes:
        vlm: The judge.
        strengths: ``"copeland"``: pairs won less pairs lost; ``"bradley_terry"``: log strengths,
            with their standard error.
    """

    vlm: VLM
    strengths: Literal["copeland", "bradley_terry"] = field(
        default="copeland", validator=validators.in_(("copeland", "bradley_terry"))
    )

    @property
    def name(self) -> str:
        """``tournament`` or ``bradley_terry``."""
        return "tournament" if self.strengths == "copeland" else "bradley_terry"

    def choose(self, scenario: Scenario, attempts: Sequence[Attempt]) -> Choice:
        """The strongest clip of all."""
        pool = Pool.of(scenario, attempts)
        said = self.score_pool(pool)
        choice = highest(pool.entries, said.values, self.name, noise=said.noise)
        if not said.notes:
            return choice
        return Choice(choice.pick, choice.selector, "; ".join([choice.reason, *said.notes]),
                      choice.scores, noise=choice.noise)  # fmt: skip

    def score_pool(self, pool: Pool) -> PoolScores:
        """Points or log strengths of every clip."""
        wins, firsts, asked = self._play(pool)
        notes = _order_notes(firsts, asked)
        if self.strengths == "copeland":
            return PoolScores(dict(zip(pool.keys, copeland(wins).tolist(), strict=True)), notes)
        found = bradley_terry(wins)
        if not found.separable:
            notes += (f"the best two cannot be told apart (±{found.gap_error:.2f})",)
        values = dict(zip(pool.keys, found.log.tolist(), strict=True))
        return PoolScores(values, notes, float(np.median(found.errors)))

    def _play(self, pool: Pool) -> tuple[NDArray[np.float64], int, int]:
        """Win matrix, answers that named the first video, and answers that named either."""
        count = len(pool.entries)
        wins = np.zeros((count, count))
        firsts = asked = 0
        for i, one in enumerate(pool.entries):
            for j in range(i + 1, count):
                other = pool.entries[j]
                answers = [self._ask(pool.scenario, one, other),
                           self._ask(pool.scenario, other, one)]  # fmt: skip
                firsts += answers.count("A")
                asked += sum(answer != "tie" for answer in answers)
                won = _points(*answers)
                wins[i, j] += won
                wins[j, i] += 1.0 - won
        return wins, firsts, asked

    def _ask(self, scenario: Scenario, first: Entry, second: Entry) -> str:
        views = [_view(entry.candidate.clip, scenario) for entry in (first, second)]
        seam = views[0][1]
        question = Question(
            "judge",
            prompts.render("compare_question", seam=seam, description=scenario.description),
            prompts.render("score", knowledge=prompts.knowledge()),
            tuple(view for view, _ in views),
            ("A", "B"),
            seam,
            prompts.schema("compare"),
        )
        try:
            return ask(self.vlm, question, replies.read_winner)
        except UNUSABLE:
            return "tie"


def _view(clip: Clip, scenario: Scenario) -> tuple[Clip, float | None]:
    return critic_view(clip, scenario.prefix, PIXELS)


def _points(forward: str, backward: str) -> float:
    """1 if the first clip won in both orders, 0 if the second did, else half."""
    if (forward, backward) == ("A", "B"):
        return 1.0
    return 0.0 if (forward, backward) == ("B", "A") else 0.5


def _order_notes(firsts: int, asked: int) -> tuple[str, ...]:
    if asked < ENOUGH_QUESTIONS or abs(firsts / asked - 0.5) <= ORDER_BIAS:
        return ()
    return (f"unreliable judge: it named the video shown first in {firsts} of {asked} answers",)
