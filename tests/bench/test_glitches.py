"""Times in sentences, annotated clips, and precision and recall of a critic's times."""

from __future__ import annotations

import json
from pathlib import Path

import bench_helpers
import pytest
from bench_helpers import write_json

from phyrefine.bench.glitches.annotations import Annotated, read_annotations
from phyrefine.bench.glitches.matching import meet
from phyrefine.bench.glitches.results import glitch_result
from phyrefine.bench.glitches.times import Span, times_in
from phyrefine.bench.glitches.watching import Seen
from phyrefine.cli import FAILED, main
from phyrefine.errors import InvalidInputError
from phyrefine.testing import moving_clip
from phyrefine.types import Answer, Question


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("At 0:03 the cup melts.", [(3, 3)]),
        ("At 00:01.5 it jumps, and at 00:04 again.", [(1.5, 1.5), (4, 4)]),
        ("Between 1 and 2.5 seconds the ball hangs.", [(1, 2.5)]),
        ("From 1s to 2s it hangs.", [(1, 2)]),
        ("00:02-00:04: the hand passes through the cup.", [(2, 4)]),
        ("It vanishes at 2.5s.", [(2.5, 2.5)]),
        ("Around second 3 the water rises.", [(3, 3)]),
        ("Seconds 3 to 4: the water rises.", [(3, 4)]),
        ("1:02 - 1:05", [(62, 65)]),
        ("It stays in the air for 2 seconds.", []),
        ("This lasts about 3 s and is longer than 2 s.", []),
        ("There are 5 balls, later 3 to 4 of them.", []),
        ("The 2 cups touch; 10% of the water is gone.", []),
        ("", []),
    ],
)
def test_times_in_sentences(text: str, spans: list[tuple[float, float]]) -> None:
    assert [(span.start, span.end) for span in times_in(text)] == spans


def test_frames_need_a_rate() -> None:
    assert times_in("Frames 30 to 45 flicker.") == ()
    assert times_in("Frames 30 to 45 flicker.", 30) == (Span(1, 1.5),)
    assert times_in("At frame 60 it jumps.", 30) == (Span(2, 2),)


# -- matching ----------------------------------------------------------------------------------


def test_each_time_is_used_once_and_the_most_pairs_are_found() -> None:
    given = [Span(1, 1), Span(2, 2)]
    # The first annotated time fits both, the second only the first.
    annotated = [Span(1.5, 1.5), Span(0.5, 0.5)]
    assert meet(given, annotated, tolerance=0.5, duration=5).met == 2
    assert meet([Span(1, 1)] * 3, [Span(1, 2)], tolerance=0, duration=5).met == 1
    assert meet([Span(0, 0.4)], [Span(1, 2)], tolerance=0.5, duration=5).met == 0


def test_a_time_that_covers_everything_is_worth_no_more_than_chance() -> None:
    whole = meet([Span(0, 5)], [Span(1, 1.2)], tolerance=0.5, duration=5)
    assert (whole.met, whole.by_chance, whole.covered) == (1, 1.0, 1.0)
    sharp = meet([Span(1, 1.2)], [Span(1, 1.2)], tolerance=0.1, duration=5)
    assert sharp.met == 1
    assert sharp.by_chance < 0.25
    assert sharp.covered == pytest.approx(0.04)
    assert meet([], [Span(1, 2)], tolerance=1, duration=5).by_chance == 0


def annotated(name: str, *spans: Span, faulty: bool = True, untimed: int = 0) -> Annotated:
    return Annotated(name, Path(name), spans, faulty, untimed)


def test_counts_of_a_critic() -> None:
    clips = [
        annotated("hit", Span(1, 2)),
        annotated("late", Span(1, 2)),
        annotated("missed", Span(1, 2), Span(3, 4)),
        annotated("untimed", untimed=1),
        annotated("clean", faulty=False),
        annotated("alarm", faulty=False),
        annotated("mute", Span(1, 2)),
    ]
    seen = {
        "hit": Seen(2, (Span(1.2, 1.4),), 5),
        "late": Seen(1, (Span(4, 4.5),), 5),
        "missed": Seen(0, (), 5),
        "untimed": Seen(1, (Span(0, 1),), 5),
        "clean": Seen(0, (), 5),
        "alarm": Seen(1, (Span(2, 3),), 5),
        "mute": Seen(0, (), 5, usable=False),
    }
    result = glitch_result("critic", clips, seen, tolerance=0.5)
    assert (result.detected.part, result.detected.whole) == (3, 4)
    assert (result.false_alarms.part, result.false_alarms.whole) == (1, 2)
    assert (result.precision.part, result.precision.whole) == (1, 3)
    assert (result.recall.part, result.recall.whole) == (1, 4)
    assert result.untimed == 1
    assert result.clips == 6
    told = str(result.table)
    assert "1 descriptions of glitches hold no time" in told
    assert "1 clips left out" in told
    assert "33.3% (1 of 3)" in told


# -- files and the command ---------------------------------------------------------------------


@pytest.fixture
def download(tmp_path: Path) -> Path:
    """A made-up file in Physion-Eval's shape, and its clips."""
    rows = [
        {"id": 1, "filename": "a.mp4", "has_glitches": 1, "glitch_severity": 5, "model": "m",
         "reasoning": "At 0:01 the dot jumps.", "Glitch_Category": "inertia"},
        {"id": 2, "filename": "a.mp4", "has_glitches": 1, "reasoning": "It looks wrong.",
         "glitch_severity": 3, "model": "m", "Glitch_Category": "other"},
        {"id": 3, "filename": "b.mp4", "has_glitches": 0, "reasoning": "Fine at 0:02.",
         "glitch_severity": 0, "model": "m", "Glitch_Category": ""},
        {"id": 4, "filename": "gone.mp4", "has_glitches": 1, "reasoning": "At 1 s.",
         "glitch_severity": 5, "model": "m", "Glitch_Category": "x"},
    ]  # fmt: skip
    write_json(tmp_path / "data" / "Physion_Eval_1.json", rows)
    (tmp_path / "data" / "videos").mkdir()
    for name in ("a", "b"):
        moving_clip(16).write(tmp_path / "data" / "videos" / f"{name}.mp4")
    return tmp_path / "data"


def test_records_of_one_clip_come_together(download: Path) -> None:
    clips, path, absent = read_annotations(download, shift=-0.2)
    assert path.name == "Physion_Eval_1.json"
    assert absent == 1
    faulty, clean = clips
    assert faulty.glitches == (Span(0.8, 0.8),)
    assert (faulty.faulty, faulty.untimed, faulty.category) == (True, 1, "inertia")
    assert (clean.faulty, clean.glitches) == (False, ())


def test_times_in_fields_of_their_own_go_first(tmp_path: Path) -> None:
    moving_clip(8).write(tmp_path / "a.mp4")
    (tmp_path / "x.csv").write_text("video,begin,finish,reasoning\na,1.5,2,At 0:03.\na,,,Fine.\n")
    fields = {"start": "begin", "end": "finish"}
    ((clip,), _, _) = read_annotations(tmp_path, fields=fields)
    assert clip.glitches == (Span(1.5, 2),)
    with pytest.raises(InvalidInputError, match="say whether it has glitches"):
        read_annotations(tmp_path)
    with pytest.raises(InvalidInputError, match="no field 'nope': video, begin"):
        read_annotations(tmp_path, fields={"start": "nope"})
    (tmp_path / "a.mp4").unlink()
    with pytest.raises(InvalidInputError, match="None of the 1 clips"):
        read_annotations(tmp_path, fields=fields)


class Critic:
    """Finds one fault at a second in every clip."""

    identity = "critic"
    asked = 0

    def ask(self, question: Question) -> Answer:
        Critic.asked += 1
        broken = {"law": "inertia", "what": "a jump", "start": 1.1, "end": 1.3, "severity": 0.5,
                  "confidence": 1.0}  # fmt: skip
        return Answer(json.dumps({"observed": "a dot", "moving": True, "violations": [broken],
                                  "corrected": "A dot moves."}))  # fmt: skip


def test_the_command_measures_a_critic_and_resumes(
    download: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(bench_helpers, "critic", Critic, raising=False)
    Critic.asked = 0
    command = ["glitches", str(download), "--vlm", "bench_helpers:critic", "--out",
               str(tmp_path / "out")]  # fmt: skip
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "Critic: bench_helpers:critic, 2 clips" in shown
    assert "1 of its clips are not there and are left out." in shown
    told = json.loads((tmp_path / "out" / "glitches.json").read_text())
    assert (told["recall"]["part"], told["recall"]["whole"]) == (1, 1)
    assert (told["precision"]["part"], told["precision"]["whole"]) == (1, 2)
    assert told["false_alarms"]["part"] == 1
    asked = Critic.asked
    assert asked == 2
    assert main(command) == 0
    assert Critic.asked == asked
    assert main([*command, "--tolerance", "0"]) == 0
    assert json.loads((tmp_path / "out" / "glitches.json").read_text())["recall"]["part"] == 0
    assert main(["glitches", str(tmp_path / "nowhere"), "--vlm", "world"]) == FAILED
    assert main([*command, "--field", "clip"]) == FAILED
