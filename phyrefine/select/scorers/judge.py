"""A VLM as judge: absolute scores whose noise is measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from attrs import field, frozen, validators

from phyrefine.protocols import VLM
from phyrefine.refine import prompts, replies
from phyrefine.refine.asking import UNUSABLE, ask
from phyrefine.refine.stages import critic_view
from phyrefine.select.pool import entries
from phyrefine.types import Attempt, Choice, Entry, Question, Scenario
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
        """The best score; within the noise the earlier clip, so that noise changes nothing.

        A clip that the judge says nothing usable of does not compete.

        Raises:
            BackendError: The judge said nothing usable of any clip.
        """
        all_scores, failed = self._ask(scenario, entries(attempts))
        pool = [entry for entry in entries(attempts) if entry.key in all_scores]
        means = {key: statistics.fmean(scores) for key, scores in all_scores.items()}
        noise = self._noise(list(all_scores.values()))
        best = pool[0]
        for entry in pool[1:]:
            if means[entry.key] > means[best.key] + self.margin * (noise or 0.0):
                best = entry
        reason = f"{best.name} scores {means[best.key]:.2f} of 10"
        if noise is not None:
            reason += f"; repeated looks differ by {noise:.2f}"
        reason = "; ".join([reason, *failed])
        return Choice(best.pick, "judge", reason, means, noise=noise)

    def _ask(
        self, scenario: Scenario, pool: Sequence[Entry]
    ) -> tuple[dict[str, tuple[float, ...]], list[str]]:
        """Scores by clip, and in words which clips have none."""
        scores: dict[str, tuple[float, ...]] = {}
        failed: list[str] = []
        for entry in pool:
            try:
                scores[entry.key] = self.judge.scores(scenario, entry.candidate.clip)
            except UNUSABLE as error:
                failed.append(f"no opinion of {entry.key} ({error})")
                if not scores and entry is pool[-1]:
                    raise
        return scores, failed

    def _noise(self, repeated: Sequence[tuple[float, ...]]) -> float | None:
        if self.judge.repeats < 2:
            return None
        return statistics.fmean(statistics.stdev(scores) for scores in repeated)
