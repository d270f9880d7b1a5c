"""A VLM as judge: absolute scores whose noise is measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from attrs import field, frozen, validators

from phyrefine.protocols import VLM
from phyrefine.refine import prompts, replies
from phyrefine.refine.asking import ask
from phyrefine.refine.stages import critic_view
from phyrefine.select.pool import entries
from phyrefine.types import Attempt, Choice, Question, Scenario
from phyrefine.video.clip import Clip

PIXELS = 768


@frozen
class Judge:
    """Scores a continuation from 0 to 10 by asking a VLM; a reference-free scorer.

    Attributes:
        vlm: Better another model than the critic: one that chooses its own work rewards itself.
        repeats: Independent looks per clip; their spread is the score's noise.
        name: Under which the score is recorded.
    """

    vlm: VLM
    repeats: int = field(default=1, validator=validators.ge(1))
    name: str = "judge"

    def score(self, scenario: Scenario, clip: Clip) -> float:
        """Mean score over the repeats, 0..10."""
        return statistics.fmean(self.scores(scenario, clip))

    def scores(self, scenario: Scenario, clip: Clip) -> tuple[float, ...]:
        """One score per repeat."""
        shown, seam = critic_view(clip, scenario.prefix, PIXELS)
        text = prompts.render(
            "score_question", seam=seam, total=shown.duration, description=scenario.description
        )
        instruction = prompts.render("score", knowledge=prompts.knowledge())
        questions = (
            Question("judge", text, instruction, (shown,), ("video",), seam,
                     prompts.schema("score"), sample)
            for sample in range(self.repeats)
        )  # fmt: skip
        return tuple(ask(self.vlm, question, replies.read_score) for question in questions)


@frozen
class JudgeEnsemble:
    """Keep-best by a judge's scores, over the whole pool.

    Attributes:
        judge: Scores every clip; repeat it to learn its noise.
        margin: A later clip must beat an earlier one by this many times the noise.
    """

    judge: Judge
    margin: float = field(default=1.0, validator=validators.ge(0))

    def choose(self, scenario: Scenario, attempts: Sequence[Attempt]) -> Choice:
        """The best score; within the noise the earlier clip, so that noise changes nothing."""
        pool = entries(attempts)
        all_scores = {
            entry.key: self.judge.scores(scenario, entry.candidate.clip) for entry in pool
        }
        means = {key: statistics.fmean(scores) for key, scores in all_scores.items()}
        noise = self._noise(list(all_scores.values()))
        best = pool[0]
        for entry in pool[1:]:
            if means[entry.key] > means[best.key] + self.margin * (noise or 0.0):
                best = entry
        reason = f"{best.name} scores {means[best.key]:.2f} of 10"
        if noise is not None:
            reason += f"; repeated looks differ by {noise:.2f}"
        return Choice(best.pick, "judge", reason, means, noise=noise)

    def _noise(self, repeated: Sequence[tuple[float, ...]]) -> float | None:
        if self.judge.repeats < 2:
            return None
        return statistics.fmean(statistics.stdev(scores) for scores in repeated)
