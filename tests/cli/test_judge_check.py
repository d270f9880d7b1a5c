"""``phyrefine doctor --judge``: numbers of a judge on the user's clip, over a real connection."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("openai")

from phyrefine.backends.loopback import Asked
from phyrefine.backends.loopback.server import Loopback
from phyrefine.cli import main
from phyrefine.testing import moving_clip


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return moving_clip(16, (48, 48)).write(tmp_path / "ball.mp4")


def answering(score: Callable[[bool], object]) -> Callable[[Asked], str]:
    """Replies by whether the frames are those that were asked about first."""
    first: list[object] = []

    def reply(asked: Asked) -> str:
        frames = [data for _, data in asked.media]
        first.append(frames)
        said = score(frames == first[0])
        if "violations" in json.dumps(asked.schema):
            broken = {"law": "inertia", "what": "it jumps", "severity": 0.7, "confidence": 0.9}
            found = [] if frames == first[0] else [broken]
            return json.dumps({"observed": "a dot", "moving": True, "violations": found,
                               "corrected": "A dot moves."})  # fmt: skip
        return json.dumps({"reason": "seen", "score": said}) if asked.schema else str(said)

    return reply


def doctor(server: Loopback, clip: Path, *more: str) -> int:
    return main(["doctor", "--judge", "openai:eye", "--judge-option",
                 f"base_url={server.openai_url}", "--clip", str(clip), *more])  # fmt: skip


@pytest.mark.slow
def test_a_judge_that_sees_the_difference_may_choose(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Loopback(answering(lambda clean: 8 if clean else 3)) as server:
        assert doctor(server, clip, "--judge-json", str(tmp_path / "told.json")) == 0
    judge, critic = json.loads((tmp_path / "told.json").read_text())
    assert (judge["judge"], judge["usable"], judge["wins"], judge["false_alarms"]) == (
        "judge", True, 4, 0,
    )  # fmt: skip
    assert judge["comparisons"][0] == {
        "clip": "ball.mp4", "variant": "frozen", "clean": 8, "spoiled": 3, "won": True, "note": "",
    }  # fmt: skip
    assert critic["comparisons"][2]["won"] is None  # reversed does not count here
    shown = " ".join(capsys.readouterr().out.split())
    assert "Self-test of judge" in shown
    assert "judge scored the clean clip above the spoiled one in 4 of 4 and called 0 of 1" in shown
    assert "critic scored the clean clip above the spoiled one in 4 of 4" in shown
    assert shown.count("it may choose") == 2


@pytest.mark.slow
def test_a_judge_that_likes_everything_writes_text_only(
    clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Loopback(answering(lambda _: 4)) as server:
        assert doctor(server, clip) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "in 0 of 4 and called 1 of 1 clean clips faulty" in shown
    assert "so it may write text but not choose" in shown


def test_a_row_of_the_table_of_judges_is_tested_by_its_own_question(
    clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Loopback(answering(lambda clean: 5 if clean else 2)) as server:
        assert doctor(server, clip, "--judge-as", "cosmos-reason2") == 0
        assert len(server.requests) == 5
    shown = " ".join(capsys.readouterr().out.split())
    assert "Self-test of Cosmos-Reason 2 (openai:eye; phyrefine's wording)" in shown


def test_a_judge_needs_a_clip_that_moves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--judge", "openai:eye"]) == 1
    assert "add --clip FILE" in capsys.readouterr().err
    still = moving_clip(1).resample(8, count=12).write(tmp_path / "still.mp4")
    assert main(["doctor", "--judge", "world", "--clip", str(still)]) == 1
    assert "Nothing moves in this clip" in capsys.readouterr().err
