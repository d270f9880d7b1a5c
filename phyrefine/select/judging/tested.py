"""A judge that takes its self-test before it chooses."""

from __future__ import annotations

import math

from attrs import frozen

from phyrefine.select.judging.roles import JUDGE_ALARM
from phyrefine.select.judging.self_test import FEWEST, self_test
from phyrefine.select.judging.variants import FEWEST_FRAMES, variants
from phyrefine.select.scorers.each import EachClip
from phyrefine.select.scorers.judge import Judge
from phyrefine.types import Pool, PoolScores, Scenario
from phyrefine.video.clip import Clip
from phyrefine.video.motion import is_still


@frozen
class TestedJudge:
    """A judge that scores a pool only after it has passed its self-test on the pool's own scene.

    It is tested on the prefix, which is real, or where that does not move on the first clip that
    does. A judge that fails has no opinion of any clip, so that other rules decide, or the
    earliest clip is kept.

    Attributes:
        judge: Scores from 0 to 10.
        name: Under which the scores are recorded.
    """

    __test__ = False  # no class of tests, whatever pytest thinks of its name

    judge: Judge
    name: str = "tested_judge"

    def score_pool(self, pool: Pool) -> PoolScores:
        """Scores of all clips; NaN for all of them if the judge failed its test."""
        tested = _scenes(pool)
        if not tested:
            return _nothing(pool, "the judge was not tested: no clip of the scene moves")
        report = self_test(self.judge, tested, alarm_below=JUDGE_ALARM)
        if not report.usable:
            return _nothing(pool, report.verdict)
        scores = EachClip(self.judge).score_pool(pool)
        return PoolScores(scores.values, (report.verdict, *scores.notes), scores.noise)


def _nothing(pool: Pool, why: str) -> PoolScores:
    return PoolScores(dict.fromkeys(pool.keys, math.nan), (why,))


def _scenes(pool: Pool) -> dict[str, tuple[Scenario, Clip]]:
    """The prefix as a clip of its own; with too few variants of it, a clip of the pool as well."""
    scenario = pool.scenario
    found: dict[str, tuple[Scenario, Clip]] = {}
    if scenario.prefix is not None:
        found["prefix"] = (Scenario(scenario.description), scenario.prefix)
    found |= {entry.key: (scenario, entry.candidate.clip) for entry in pool.entries}
    tested: dict[str, tuple[Scenario, Clip]] = {}
    comparisons = 0
    for name, (asked, clip) in found.items():
        if comparisons < FEWEST and len(clip) >= FEWEST_FRAMES and not is_still(clip):
            tested[name] = asked, clip
            comparisons += sum(one.clip is not None for one in variants(clip))
    return tested
