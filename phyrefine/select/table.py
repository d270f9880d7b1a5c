"""The table of scorers: what each prefers, costs and is known to be worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import field, frozen

from phyrefine.protocols import VLM, PoolScorer, Selector
from phyrefine.select.agreement.consensus import Consensus
from phyrefine.select.combining.combined import Combined
from phyrefine.select.judging.tested import TestedJudge
from phyrefine.select.scorers.each import EachClip
from phyrefine.select.scorers.judge import Judge, JudgeEnsemble
from phyrefine.select.scorers.kinematics import Kinematics
from phyrefine.select.scorers.motion import MotionAmount
from phyrefine.select.scorers.motion_quality import MotionQuality
from phyrefine.select.scorers.questions import LawQuestions
from phyrefine.select.scorers.severity import Severity
from phyrefine.select.scorers.tournament import Tournament
from phyrefine.select.simple import CriticsPick

Maker = Callable[[VLM, str | None], PoolScorer]


@frozen
class NamedScorer:
    """A row of the table.

    Attributes:
        name: As it is typed; ``name:model`` hands ``model`` to the maker.
        summary: What it prefers.
        worth: What is known of its worth.
        make: Gives the scorer, from the run's VLM and the model named after the colon.
        questions: VLM questions for a pool of n clips.
        costs: What it takes beside them, in words.
        takes_model: Whether a model may be named.
        alone: The selector that the bare name stands for, where it is not
            :class:`~phyrefine.select.combining.combined.Combined` with the guard.
    """

    name: str
    summary: str
    worth: str
    make: Maker
    questions: Callable[[int], int] = field(default=lambda clips: 0 * clips)
    costs: str = "about 2 ms a frame at 720p, once per clip"
    takes_model: bool = False
    alone: Callable[[VLM], Selector] | None = None


def _plain(make: Callable[[], PoolScorer]) -> Maker:
    return lambda _vlm, _model: make()


def _asking(make: Callable[[VLM], PoolScorer]) -> Maker:
    return lambda vlm, _model: make(vlm)


def _control(sign: int) -> Callable[[VLM], Selector]:
    return lambda _vlm: Combined((MotionAmount(sign),), guard=None)


def _rows() -> list[NamedScorer]:
    unproven = "unproven"
    return [
        NamedScorer(
            "consensus", "the clip that agrees best with all others (expected agreement)",
            "on the embedded world no rule beats it at four clips", _plain(Consensus),
        ),
        NamedScorer(
            "judge", "the highest score a VLM gives; within the noise the earlier clip",
            "depends on the VLM: check it with the table",
            _asking(lambda vlm: EachClip(Judge(vlm))),
            lambda clips: clips, "the VLM's", alone=lambda vlm: JudgeEnsemble(Judge(vlm)),
        ),
        NamedScorer(
            "tested_judge", "as judge, if it likes the clips better than spoiled variants of them",
            "no opinion where it fails its self-test",
            _asking(lambda vlm: TestedJudge(Judge(vlm))),
            lambda clips: clips + 12, "the VLM's",
        ),
        NamedScorer(
            "questions", "the most questions about laws answered well",
            unproven, _asking(LawQuestions), lambda clips: clips + 1, "the VLM's",
        ),
        NamedScorer(
            "tournament", "the most pairs won, each asked in both orders", "as its VLM",
            _asking(Tournament), lambda clips: clips * (clips - 1), "the VLM's",
            alone=Tournament,
        ),
        NamedScorer(
            "bradley_terry", "the strongest by Bradley and Terry, from the same pairs",
            "as its VLM; says what cannot be told apart",
            _asking(lambda vlm: Tournament(vlm, "bradley_terry")),
            lambda clips: clips * (clips - 1), "the VLM's",
            alone=lambda vlm: Tournament(vlm, "bradley_terry"),
        ),
        NamedScorer(
            "kinematics", "the most regular motion of pixels or features (GeoPhys), normalized",
            unproven, _plain(Kinematics),
        ),
        NamedScorer(
            "kinematics_raw", "the same, the raw five: they prefer what moves least",
            unproven, _plain(lambda: Kinematics(signals="raw", name="kinematics_raw")),
        ),
        NamedScorer(
            "motion_quality", "little jerk, warp error, jump at the seam and appearing",
            unproven, _plain(MotionQuality),
            costs="about 2 s a clip of 5 s, once per clip",
        ),
        NamedScorer(
            "critics_pick", "the least severe critique", "blind where the critic is",
            _plain(Severity), costs="nothing", alone=lambda _vlm: CriticsPick(),
        ),
        NamedScorer(
            "most_motion", "the most motion", "a control", _plain(lambda: MotionAmount(1)),
            alone=_control(1),
        ),
        NamedScorer(
            "least_motion", "the least motion", "a control", _plain(lambda: MotionAmount(-1)),
            alone=_control(-1),
        ),
    ]  # fmt: skip


SCORERS: Mapping[str, NamedScorer] = {row.name: row for row in _rows()}
