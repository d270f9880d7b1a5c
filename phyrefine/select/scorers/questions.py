"""``LawQuestions``: a battery of questions per law and object, answered by looking."""

from __future__ import annotations

import functools
import math

from attrs import frozen

from phyrefine.protocols import VLM
from phyrefine.refine import prompts
from phyrefine.refine.asking import UNUSABLE, ask
from phyrefine.refine.stages import critic_view
from phyrefine.select.scorers import laws
from phyrefine.select.scorers.judge import PIXELS
from phyrefine.types import Pool, PoolScores, Question, Scenario
from phyrefine.video.clip import Clip

# What is asked when the VLM names nothing usable.
DEFAULT_PLAN = (("the moving object",), ("Falling", "Inertia", "Contact and solidity",
                "Collisions", "Permanence"))  # fmt: skip


@frozen
class LawQuestions:
    """Share of observable questions that a clip answers well, 0..1.

    The VLM first names, from the prefix and the description alone, the objects and laws that
    matter; every clip is then asked the same list in one call, half of it phrased so that "yes"
    is the fault. One question for the plan and one per clip.

    Attributes:
        vlm: Answers; better another model than the critic.
        name: Under which the score is recorded.
    """

    vlm: VLM
    name: str = "questions"

    def score(self, scenario: Scenario, clip: Clip) -> float:
        """The clip's share; NaN with fewer than three answers.

        Raises:
            BackendError: The VLM could not answer.
        """
        return self._score(scenario, clip, self.plan(scenario))

    def score_pool(self, pool: Pool) -> PoolScores:
        """Every clip's share, by one list of questions."""
        asked = self.plan(pool.scenario)
        values: dict[str, float] = {}
        notes: list[str] = []
        for entry in pool.entries:
            try:
                values[entry.key] = self._score(pool.scenario, entry.candidate.clip, asked)
            except UNUSABLE as error:
                values[entry.key] = math.nan
                notes.append(f"no opinion of {entry.key} ({error})")
        return PoolScores(values, tuple(notes))

    def plan(self, scenario: Scenario) -> tuple[laws.LawQuestion, ...]:
        """The list for a scenario, made without any clip of it."""
        prefix = scenario.prefix
        clips = () if prefix is None else (critic_view(prefix, None, PIXELS)[0],)
        question = Question(
            "judge",
            prompts.render(
                "law_plan_question",
                seconds=scenario.seconds if prefix is not None else None,
                description=scenario.description,
                objects=laws.MOST_OBJECTS,
                laws=laws.MOST_LAWS,
                names=list(laws.all_laws()),
            ),
            clips=clips,
            labels=("prefix",) * len(clips),
            schema=prompts.schema("law_plan"),
        )
        try:
            objects, named = ask(self.vlm, question, laws.read_plan)
        except UNUSABLE:
            objects, named = DEFAULT_PLAN
        return laws.questions(objects, named)

    def _score(self, scenario: Scenario, clip: Clip, asked: tuple[laws.LawQuestion, ...]) -> float:
        shown, seam = critic_view(clip, scenario.prefix, PIXELS)
        question = Question(
            "judge",
            prompts.render(
                "law_answers_question",
                seam=seam,
                total=shown.duration,
                description=scenario.description,
                questions=[one.text for one in asked],
            ),
            prompts.render("law_answers"),
            (shown,),
            ("video",),
            seam,
            prompts.schema("law_answers"),
        )
        read = functools.partial(laws.read_answers, count=len(asked))
        return laws.score_answers(asked, ask(self.vlm, question, read))
