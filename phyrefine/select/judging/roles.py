"""The two roles a VLM is tested in: the judge that gives a score, the critic that lists faults."""

from __future__ import annotations

import math
from collections.abc import Mapping

from attrs import field, frozen

from phyrefine.protocols import VLM
from phyrefine.refine import stages
from phyrefine.refine.stages import Method
from phyrefine.select.judging.self_test import JudgeTest, self_test
from phyrefine.select.scorers.judge import Judge
from phyrefine.types import Scenario
from phyrefine.video.clip import Clip

# A judge of 0 to 10 that gives less than this calls the clip faulty.
JUDGE_ALARM = 5.0
# A critic that finds anything at all scores below 0.
CRITIC_ALARM = 0.0


@frozen
class CriticSeverity:
    """A critic as a scorer: minus the severity of what it finds in a clip; 0 is best.

    Attributes:
        vlm: The critic.
        method: How it is asked.
        name: Under which the score is recorded.
    """

    vlm: VLM
    method: Method = field(factory=Method)
    name: str = "critic"

    def score(self, scenario: Scenario, clip: Clip) -> float:
        """Ask the critic about a clip; NaN where it says nothing usable."""
        critique = stages.critique(self.vlm, clip, scenario, self.method)
        return math.nan if critique is None else -critique.severity


def self_tests(
    vlm: VLM,
    clips: Mapping[str, tuple[Scenario, Clip]],
    *,
    irreversible: bool | None = None,
) -> tuple[JudgeTest, JudgeTest]:
    """The self-tests of a VLM, as a judge of 0 to 10 and as a critic that lists violations.

    Raises:
        InvalidInputError: See :func:`~phyrefine.select.judging.self_test.self_test`.
    """
    judge = self_test(Judge(vlm), clips, irreversible=irreversible, alarm_below=JUDGE_ALARM)
    critic = self_test(
        CriticSeverity(vlm), clips, irreversible=irreversible, alarm_below=CRITIC_ALARM
    )
    return judge, critic
