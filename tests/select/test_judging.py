"""The self-test of judges: what the variants break, who passes, and who then may choose."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from attrs import define, field

from phyrefine import Scenario
from phyrefine.errors import BadOutputError, InvalidInputError
from phyrefine.select.judging.roles import CriticSeverity, self_tests
from phyrefine.select.judging.self_test import self_test
from phyrefine.select.judging.tested import TestedJudge
from phyrefine.select.judging.variants import KINDS, dies_down, variants
from phyrefine.select.named import ensemble
from phyrefine.select.scorers.judge import Judge
from phyrefine.testing import ScriptedAsker
from phyrefine.types import Answer, Attempt, Candidate, Pool, Prompt, Question
from phyrefine.video.clip import Clip

SIZE = (48, 64)


def ball(path: Callable[[int], tuple[float, float]], frames: int = 24, fps: float = 8.0) -> Clip:
    """A bright square over a plain background, at a place for each frame."""
    made = np.full((frames, *SIZE, 3), 40, np.uint8)
    for index in range(frames):
        row, column = (round(part) for part in path(index))
        made[index, row : row + 6, column : column + 6] = 220
    return Clip(made, fps)


ROLLING = ball(lambda t: (8, 4 + 2 * t))
SLOWING = ball(lambda t: (8, 50 * (1 - 0.85**t)))
STILL = ball(lambda _: (8, 20))


def by_kind(clip: Clip, **how: object) -> dict[str, Clip | None]:
    return {one.kind: one.clip for one in variants(clip, **how)}  # type: ignore[arg-type]


def test_each_variant_breaks_one_thing() -> None:
    made = by_kind(ROLLING, irreversible=True)
    assert tuple(made) == KINDS
    assert len(np.unique(made["frozen"].frames, axis=0)) == 1
    for kind in ("shuffled", "reversed"):
        assert sorted(f.tobytes() for f in made[kind].frames) == sorted(
            f.tobytes() for f in ROLLING.frames
        )
        assert not np.array_equal(made[kind].frames, ROLLING.frames)
    assert np.array_equal(made["reversed"].frames, ROLLING.frames[::-1])
    assert np.array_equal(made["cut"].frames[:8], ROLLING.frames[:8])
    assert np.array_equal(made["cut"].frames[8:], ROLLING.frames[16:])


def test_the_double_comes_in_the_middle_and_moves_along() -> None:
    double = by_kind(ROLLING)["duplicated"]
    bright = (double.frames[..., 0] > 200).sum(axis=(1, 2))
    assert set(bright[:12]) == {36}
    assert bright[12:].min() >= 2 * 36 - 12  # a part may lie outside the picture
    assert np.array_equal(double.frames[:12], ROLLING.frames[:12])


def test_what_comes_to_rest_has_a_double_that_rests_too() -> None:
    stopping = ball(lambda t: (8, 4 + 6 * min(t, 5)))
    double = by_kind(stopping)["duplicated"]
    bright = (double.frames[..., 0] > 200).sum(axis=(1, 2))
    assert set(bright[:12]) == {36}
    assert bright[12:].min() >= 36 + 18
    assert np.array_equal(double.frames[12], double.frames[-1])


def test_a_fault_that_nobody_could_see_does_not_count() -> None:
    early = ball(lambda t: (8, 4 + 6 * min(t, 5)))  # at rest when the middle third begins
    (cut,) = [one for one in variants(early) if one.kind == "cut"]
    assert cut.clip is None
    assert cut.note == "too little happens in the middle for a jump to be seen"
    crowded = np.full((12, *SIZE, 3), 40, np.uint8)
    crowded[::2] += 40  # everything flickers
    (double,) = [one for one in variants(Clip(crowded, 8)) if one.kind == "duplicated"]
    assert double.clip is None


def test_backward_counts_only_where_motion_dies_down() -> None:
    assert dies_down(SLOWING)
    assert not dies_down(ROLLING)
    assert by_kind(ROLLING)["reversed"] is None
    assert by_kind(SLOWING)["reversed"] is not None
    assert by_kind(SLOWING, irreversible=False)["reversed"] is None


def test_clips_that_cannot_test_anybody_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="Nothing moves"):
        variants(STILL)
    with pytest.raises(InvalidInputError, match="6 frames or more, not 3"):
        variants(Clip(ROLLING.frames[:3], 8))
    with pytest.raises(InvalidInputError, match="at least one clip"):
        self_test(Knowing(), {})


def test_a_moving_camera_has_no_double() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (12, *SIZE, 3), dtype=np.uint8)
    (double,) = [one for one in variants(Clip(noise, 8)) if one.kind == "duplicated"]
    assert double.clip is None
    assert "too much of the picture moves" in double.note


@define
class Knowing:
    """A scorer that knows the clean clips; ``blind`` kinds look clean to it."""

    clean: tuple[Clip, ...] = (ROLLING,)
    blind: tuple[str, ...] = ()
    name: str = "knowing"
    asked: int = 0

    def score(self, scenario: Scenario, clip: Clip) -> float:
        self.asked += 1
        passing = [*self.clean]
        passing += [made for one in self.clean for kind, made in by_kind(one).items()
                    if kind in self.blind and made is not None]  # fmt: skip
        same = (np.array_equal(clip.frames[-len(one) :], one.frames) for one in passing)
        return 9.0 if any(same) else 2.0


@pytest.mark.parametrize(
    ("blind", "wins", "usable"),
    [((), 4, True), (("cut",), 3, True), (("cut", "frozen"), 2, False)],
)
def test_three_of_four_make_a_judge(blind: tuple[str, ...], wins: int, usable: bool) -> None:
    judge = Knowing(blind=blind)
    report = self_test(judge, {"ball": (Scenario("a ball"), ROLLING)}, alarm_below=5)
    assert (report.wins, len(report.counted), report.usable) == (wins, 4, usable)
    assert judge.asked == 5
    assert report.false_alarms == 0
    assert ("it may choose" in report.verdict) == usable
    assert ("not choose" in report.verdict) == (not usable)
    assert "reversed" in str(report.table)
    assert "not counted" in str(report.table)


def test_ties_are_no_wins_and_alarms_on_clean_clips_are_counted() -> None:
    class Flat:
        name = "flat"

        def score(self, scenario: Scenario, clip: Clip) -> float:
            return 3.0

    clips = {"a": (Scenario("x"), ROLLING), "b": (Scenario("x"), SLOWING)}
    report = self_test(Flat(), clips, alarm_below=5)
    assert (report.wins, len(report.counted)) == (0, 9)
    assert report.false_alarms == 2
    assert "called 2 of 2 clean clips faulty" in report.verdict


def test_an_unusable_reply_is_no_win_and_no_alarm_and_is_told() -> None:
    class Silent:
        name = "silent"

        def score(self, scenario: Scenario, clip: Clip) -> float:
            raise BadOutputError("nothing but poetry", raw="roses")

    report = self_test(Silent(), {"a": (Scenario("x"), ROLLING)}, alarm_below=5)
    assert report.wins == 0
    assert report.false_alarms == 0
    assert math.isnan(report.clean["a"])
    assert report.unusable == ("No usable reply: nothing but poetry",)
    assert "nothing but poetry" in str(report.table)


# -- VLMs in both roles ------------------------------------------------------------------------


@define
class Eye:
    """A VLM that grades and criticizes by a scorer."""

    of: object
    identity: str = "eye"
    asked: list[Question] = field(factory=list)

    def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        score = self.of.score(None, question.clips[0])  # type: ignore[attr-defined]
        if question.stage == "judge":
            return Answer(json.dumps({"reason": "seen", "score": score}))
        broken = {"law": "inertia", "what": "it jumps", "severity": 0.8, "confidence": 1.0}
        found = [] if score > 5 else [broken]
        return Answer(json.dumps({"observed": "a ball", "moving": True, "violations": found,
                                  "corrected": "A ball rolls."}))  # fmt: skip


def test_a_vlm_is_tested_as_judge_and_as_critic() -> None:
    eye = Eye(Knowing())
    judge, critic = self_tests(eye, {"ball": (Scenario("a ball"), ROLLING)})
    assert judge.usable
    assert critic.usable
    assert critic.clean["ball"] == 0
    assert critic.comparisons[0].variant == pytest.approx(-0.8)
    assert critic.false_alarms == 0
    nervous = CriticSeverity(Eye(Knowing(clean=())))
    report = self_test(nervous, {"ball": (Scenario("a ball"), ROLLING)}, alarm_below=0)
    assert report.false_alarms == 1


def pool(*clips: Clip) -> Pool:
    made = tuple(Candidate(clip, seed) for seed, clip in enumerate(clips))
    return Pool.of(Scenario("a ball", ROLLING), [Attempt(1, Prompt("p"), made)])


def test_a_judge_that_fails_its_test_does_not_choose() -> None:
    other = ball(lambda t: (20, 4 + 2 * t))
    passing = TestedJudge(Judge(Eye(Knowing(clean=(other, ROLLING)))))
    scores = passing.score_pool(pool(SLOWING, other)).values
    assert scores == {"0.0": 2.0, "0.1": 9.0}

    flat = TestedJudge(Judge(ScriptedAsker(['{"reason": "fine", "score": 8}'])))
    said = flat.score_pool(pool(SLOWING, other))
    assert all(math.isnan(score) for score in said.values.values())
    assert "may write text but not choose" in said.notes[0]


def test_where_nothing_moves_the_judge_is_not_asked() -> None:
    asker = ScriptedAsker(['{"reason": "fine", "score": 8}'])
    one = Pool.of(Scenario("a ball"), [Attempt(1, Prompt("p"), (Candidate(STILL, 0),))])
    said = TestedJudge(Judge(asker)).score_pool(one)
    assert math.isnan(said.values["0.0"])
    assert "not tested" in said.notes[0]
    assert asker.asked == []


def test_the_rule_has_a_name_and_keeps_the_first_clip_when_the_judge_fails() -> None:
    flat = ScriptedAsker(['{"reason": "fine", "score": 8}'])
    rule = ensemble("tested_judge", flat)
    made = tuple(Candidate(clip, seed) for seed, clip in enumerate((ROLLING, SLOWING)))
    choice = rule.choose(Scenario("a ball"), [Attempt(1, Prompt("p"), made)])
    assert choice.pick.candidate == 0
    assert "may write text but not choose" in choice.reason


@pytest.mark.slow
def test_the_embedded_vlm_is_told_where_it_sees_and_where_it_does_not() -> None:
    pytest.importorskip("pymunk")
    from phyrefine.adapt import as_vlm
    from phyrefine.cli.demo_scenes import make_sample

    vlm = as_vlm("world")
    usable = {}
    for kind, seed in (("projectile", 1_700_502), ("stain", 1_700_516)):
        sample = make_sample(kind, seed)
        report = self_test(Judge(vlm), {kind: (sample.scenario, sample.take1)}, alarm_below=5)
        usable[kind] = report.usable
    assert usable == {"projectile": True, "stain": False}
