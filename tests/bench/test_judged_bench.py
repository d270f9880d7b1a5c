"""``phyrefine bench NAME``: from a file of prompts to a table, resumed, in shares, re-judged."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import bench_helpers
import pytest
from bench_helpers import RATER, SHORT, phygenbench, videophy2

from phyrefine.bench.scoring.intervals import estimate
from phyrefine.cli import FAILED, STOPPED_EARLY, main
from phyrefine.errors import GenerationError
from phyrefine.testing import MovingDot

MODELS = ("--generator", "bench_helpers:dot", "--vlm", "bench_helpers:Rewriter",
          "--llm", "bench_helpers:Rewriter")  # fmt: skip


@pytest.fixture(autouse=True)
def fresh() -> None:
    RATER.asked.clear()
    RATER.texts = ("4",)


def bench(name: str, data: Path, out: Path, *more: str) -> int:
    models = MODELS[2:] if "--generator" in more else MODELS
    short = SHORT[4:] if "--fps" in more else SHORT
    return main(["bench", name, "--data", str(data), "--out", str(out), *short, *models, *more])


def test_from_nothing_to_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    RATER.texts = ("4", "3", "4", "5") + ("4",) * 99
    data, out = videophy2(tmp_path / "data"), tmp_path / "out"
    assert bench("videophy-2", data, out, "--judge-vlm", "bench_helpers:rater",
                 "--workers", "1") == 0  # fmt: skip
    shown = " ".join(capsys.readouterr().out.split())
    assert "VideoPhy-2: 3 of 3 prompts" in shown
    assert "Evaluator: VideoPhy-2-AutoEval (bench_helpers:rater; phyrefine's wording)" in shown
    assert "Wording: phyrefine's, not what VideoPhy-2-AutoEval was trained on" in shown
    assert "Rows without a prompt, left out: 2." in shown
    assert "Benchmark: The hard subset was chosen by the failures of one model" in shown
    assert "Judge: One published version of that program scores the first 20 rows" in shown
    told = json.loads((out / "table.json").read_text())
    plain, loop, chosen = told["runs"]
    assert (plain["run"], loop["run"], chosen["run"]) == ("plain", "loop1", "chosen by consensus")
    assert plain["joint"]["mean"] == pytest.approx(2 / 3)  # one clip has PC 3
    assert loop["joint"]["mean"] == 1
    assert loop["against_plain"]["mean"] == pytest.approx(1 / 3)
    assert plain["against_plain"] is None
    assert set(told["categories"]) == {"activity", "object_interactions"}
    assert len(RATER.asked) == 12
    with (out / "clips.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 6
    rows = list(csv.DictReader((out / "official" / "sa_pc.csv").read_text().splitlines()))
    assert all(Path(row["videopath"]).is_file() for row in rows)


@pytest.mark.slow
def test_the_same_command_again_asks_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = videophy2(tmp_path / "data"), tmp_path / "out"
    judged = ("--judge-vlm", "bench_helpers:rater")
    assert bench("videophy-2", data, out, *judged) == 0
    first = (out / "table.json").read_bytes()
    asked = len(RATER.asked)
    monkeypatch.setattr(MovingDot, "generate", lambda *_: pytest.fail("made a clip again"))
    assert bench("videophy-2", data, out, *judged) == 0
    assert len(RATER.asked) == asked
    assert (out / "table.json").read_bytes() == first
    # Another judge on the same clips makes none.
    assert bench("videophy-2", data, out, *judged, "--judge", "cosmos-reason2", "--score-only") == 0
    told = json.loads((out / "table.json").read_text())
    assert told["judge"] == "cosmos-reason2"
    assert told["runs"][0]["joint"] is None
    assert len(RATER.asked) == asked + 6


@pytest.mark.slow
def test_what_was_generated_is_known_from_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = videophy2(tmp_path / "data"), tmp_path / "out"
    assert bench("videophy-2", data, out, "--loops", "2", "--seeds", "3") == 0
    judged = ["--score-only", "--judge-vlm", "bench_helpers:rater", "--out", str(out)]
    assert main(["bench", "videophy-2", "--data", str(data), *judged]) == 0
    runs = json.loads((out / "table.json").read_text())["runs"]
    assert [run["run"] for run in runs][:3] == ["plain", "loop1", "loop2"]
    capsys.readouterr()
    assert main(["bench", "videophy-2", "--data", str(data), "--limit", "1", *judged]) == FAILED
    assert "begun with other samples or descriptions" in capsys.readouterr().err
    other = ["bench", "phygenbench", "--data", str(phygenbench(tmp_path / "other"))]
    assert main([*other, *judged]) == FAILED
    assert "was generated for videophy-2, clips of 1 s, not for phygenbench" in (
        capsys.readouterr().err
    )
    assert main(["bench", "videophy-2", "--data", str(data), "--shard", "1/2", "--score-only",
                 "--out", str(out)]) == FAILED  # fmt: skip
    assert "judges a share: pass --judge-vlm" in capsys.readouterr().err


def test_a_clip_that_changed_is_judged_again(tmp_path: Path) -> None:
    data, out = phygenbench(tmp_path / "data"), tmp_path / "out"
    judged = ("--judge-vlm", "bench_helpers:rater", "--judge", "cosmos-reason2")
    assert bench("phygenbench", data, out, *judged) == 0
    video = out / "videos" / "plain-seed0" / "output_video_1.mp4"
    video.write_bytes((out / "videos" / "loop1-seed0" / "output_video_2.mp4").read_bytes())
    assert bench("phygenbench", data, out, *judged, "--score-only") == 0
    assert len(RATER.asked) == 4 + 1


@pytest.mark.slow
def test_shares_come_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = videophy2(tmp_path / "data"), tmp_path / "out"
    assert bench("videophy-2", data, out, "--shard", "1/2") == 0
    assert "Shard done." in capsys.readouterr().out
    judged = ("--score-only", "--judge-vlm", "bench_helpers:rater")
    assert bench("videophy-2", data, out, *judged) == FAILED
    assert "2 of 6 clips are missing" in capsys.readouterr().err
    assert bench("videophy-2", data, out, "--shard", "2/2") == 0
    assert bench("videophy-2", data, out, *judged) == 0


def test_shares_are_judged_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = videophy2(tmp_path / "data"), tmp_path / "out"
    judged = ("--judge-vlm", "bench_helpers:rater", "--judge", "cosmos-reason2", "--score-only")
    assert bench("videophy-2", data, out) == 0
    assert bench("videophy-2", data, out, *judged, "--shard", "1/2") == 0
    assert "Shard judged." in capsys.readouterr().out
    assert len(RATER.asked) == 4
    assert not (out / "table.json").exists()
    assert bench("videophy-2", data, out, *judged) == 0
    assert len(RATER.asked) == 6


def test_a_budget_stops_the_judge_and_keeps_what_it_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = videophy2(tmp_path / "data"), tmp_path / "out"
    judged = ("--judge-vlm", "bench_helpers:costly", "--judge", "cosmos-reason2")
    assert bench("videophy-2", data, out) == 0
    few = (*judged, "--score-only", "--max-tokens", "250", "--workers", "1")
    assert bench("videophy-2", data, out, *few) == STOPPED_EARLY
    shown = capsys.readouterr().out
    assert "3 clips are not judged: run the same command again." in shown
    assert "Judging took 3 questions, 300 tokens" in shown
    assert bench("videophy-2", data, out, *judged, "--score-only") == 0
    assert "Judging took 3 questions" in capsys.readouterr().out


def test_the_chosen_row_is_what_the_rule_chose(tmp_path: Path) -> None:
    data, out = phygenbench(tmp_path / "data"), tmp_path / "out"
    judged = ("--judge-vlm", "bench_helpers:rater", "--judge", "cosmos-reason2", "--workers", "1")
    assert bench("phygenbench", data, out) == 0
    # The rule prefers the loop for the first prompt and scored nothing but a tie for the second.
    for name, scores in (
        ("output_video_1", {"plain-seed0": 0.1, "loop1-seed0": 0.9}),
        ("output_video_2", {"plain-seed0": 0.5, "loop1-seed0": 0.5}),
    ):
        path = out / "samples" / f"{name}.json"
        record = json.loads(path.read_text())
        record["selectors"] = {"consensus": scores}
        del record["checksum"]  # the change is meant
        path.write_text(json.dumps(record))
    RATER.texts = ("1", "5", "2", "3")  # plain and loop of the first prompt, then of the second
    assert bench("phygenbench", data, out, *judged, "--score-only") == 0
    plain, loop, chosen = json.loads((out / "table.json").read_text())["runs"]
    assert plain["scores"]["pc"]["mean"] == 1.5
    assert loop["scores"]["pc"]["mean"] == 4
    assert chosen["scores"]["pc"]["mean"] == (5 + 2) / 2
    assert chosen["against_plain"]["mean"] == 2


def test_a_critic_that_judges_itself_and_held_frames_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = phygenbench(tmp_path / "data"), tmp_path / "out"
    judge = ("--judge-vlm", "bench_helpers:Rewriter", "--judge", "cosmos-reason2")
    assert bench("phygenbench", data, out, *judge, "--seconds", "2", "--fps", "16") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Clips are made at 8 fps and delivered at 16, so frames are held" in shown
    assert "Judge and critic are the same model (bench_helpers:Rewriter)" in shown


def test_phygenbench_says_that_its_own_evaluator_did_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    RATER.texts = ('{"reason": "r", "sa": 5, "pc": 2}',)
    data, out = phygenbench(tmp_path / "data"), tmp_path / "out"
    assert bench("phygenbench", data, out, "--judge-vlm", "bench_helpers:rater") == 0
    shown = capsys.readouterr().out
    assert "NOT PhyGenEval" in shown
    assert "The authors' file has 160 prompts, this one 2." in shown
    assert "Evaluator: any VLM, by phyrefine's own question (bench_helpers:rater" in shown
    assert "joint: share of prompts with sa >= 4 and pc >= 4, phyrefine's definition." in shown
    assert not (out / "official").exists()


def test_what_cannot_be_read_is_counted_and_never_a_zero(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = phygenbench(tmp_path / "data"), tmp_path / "out"
    assert bench("phygenbench", data, out, "--judge-vlm", "bench_helpers:silent") == 0
    shown = capsys.readouterr().out
    assert "2 of 2" in shown
    assert "4 clips have no physics score, such as: both: No JSON object" in shown
    told = json.loads((out / "table.json").read_text())
    assert told["runs"][0]["joint"] is None
    assert told["runs"][0]["scores"] == {}


def test_what_cannot_be_assessed_fails_the_joint_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    RATER.texts = ('{"sa_score": 5, "pc_assessable": false, "pc_score": null, "reason": "r"}',
                   '{"sa_score": 5, "pc_assessable": true, "pc_score": 5, "reason": "r"}')  # fmt: skip
    data, out = phygenbench(tmp_path / "data"), tmp_path / "out"
    assert bench("phygenbench", data, out, "--judge", "phyrubric", "--workers", "1",
                 "--judge-vlm", "bench_helpers:rater") == 0  # fmt: skip
    told = json.loads((out / "table.json").read_text())
    assert told["runs"][0]["joint"]["mean"] == 0.5
    assert told["runs"][0]["scores"]["pc"]["mean"] == 5
    assert "1 clips could not be assessed: the event does not appear." in capsys.readouterr().out


def test_scores_of_the_authors_own_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = videophy2(tmp_path / "data"), tmp_path / "out"
    assert bench("videophy-2", data, out) == 0
    assert "No judge was named, so nothing is scored." in capsys.readouterr().out
    rows = list(csv.DictReader((out / "official" / "sa_pc.csv").read_text().splitlines()))
    for name, score in (("sa", "4"), ("pc", "5")):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["", "videopath", "caption", "score"])
            for number, row in enumerate(rows):
                zero = name == "pc" and number == 0
                writer.writerow([number, *row.values(), "0.0" if zero else score])
    given = ("--score-only", "--scores", f"sa={tmp_path / 'sa.csv'}")
    assert bench("videophy-2", data, out, *given, "--scores", f"pc={tmp_path / 'pc.csv'}") == 0
    shown = capsys.readouterr().out
    assert "VideoPhy-2-AutoEval (its own program: sa from sa.csv, pc from pc.csv)" in shown
    assert "1 clips have no physics score, such as: pc: 0 in pc.csv is no score" in shown
    assert json.loads((out / "table.json").read_text())["runs"][1]["joint"]["mean"] == 1
    lines = (tmp_path / "sa.csv").read_text().splitlines()
    (tmp_path / "sa.csv").write_text("\n".join(lines[:3]))
    assert bench("videophy-2", data, out, *given) == FAILED
    assert "Run the program on all rows" in capsys.readouterr().err


def test_given_clips_are_a_row_of_their_own(tmp_path: Path) -> None:
    from phyrefine.testing import moving_clip

    (tmp_path / "videos").mkdir()
    moving_clip(8).write(tmp_path / "videos" / "r7.mp4")
    row = {"record_id": "r7", "error_family": "contact", "prompt": "A hand lifts a cup."}
    (tmp_path / "physfixbench_1.jsonl").write_text(json.dumps(row))
    RATER.texts = ('{"reason": "r", "sa": 5, "pc": 2}',)
    out = tmp_path / "out"
    assert bench("physfixbench", tmp_path, out, "--given", "--judge-vlm",
                 "bench_helpers:rater") == 0  # fmt: skip
    told = json.loads((out / "table.json").read_text())
    assert [run["run"] for run in told["runs"]] == [
        "plain", "loop1", "download", "chosen by consensus",
    ]  # fmt: skip
    assert told["runs"][2]["against_plain"] is None
    assert told["runs"][3]["against_plain"] is not None


def test_folders_of_clips_are_continued_from_their_first_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from phyrefine.testing import moving_clip

    for name in ("a", "b"):
        moving_clip(8, (48, 64)).write(tmp_path / "data" / "falling" / f"{name}.mp4")
    (tmp_path / "data" / "prompts.csv").write_text("id,prompt\nfalling,A ball falls.\n")
    shots = []
    made = MovingDot.generate
    monkeypatch.setattr(MovingDot, "generate", lambda self, shot: shots.append(shot) or made(
        self, shot))  # fmt: skip
    judged = ("--judge-vlm", "bench_helpers:rater", "--judge", "cosmos-reason2")
    assert bench("morpheus", tmp_path / "data", tmp_path / "out", *judged) == 0
    assert {len(shot.prefix) for shot in shots} == {1}
    assert {shot.prefix.size for shot in shots} == {(32, 32)}
    told = json.loads((tmp_path / "out" / "table.json").read_text())
    assert told["runs"][0]["scores"]["pc"]["count"] == 2


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--judge", "nobody"), "No judge called 'nobody'"),
        (("--judge-vlm", "nobody:x"), "No backend called 'nobody'"),
        (("--judge-template", "nowhere.py"), "nowhere.py cannot be read"),
        (("--laws", "gravity,magic"), "No law called 'magic': gravity"),
        (("--subset", "easy"), "has no subset 'easy'"),
        (("--field", "caption"), "--field takes WHAT=NAME"),
        (("--score-only", "--shard", "1/2"), "is no benchmark folder"),
        (("--given", "--score-only"), "is no benchmark folder"),
        (("--scores", "sa=x.csv", "--judge-vlm", "bench_helpers:rater"), "not both"),
        (("--mode", "i2v"), "brings no picture or clip: use --mode t2v"),
        (("--generator", "world"), "continues a picture or a video and cannot make one from text"),
    ],
)
def test_what_cannot_work_is_told_before_any_work(
    flags: tuple[str, ...],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MovingDot, "generate", lambda *_: pytest.fail("made a clip"))
    assert bench("videophy-2", videophy2(tmp_path / "data"), tmp_path / "out", *flags) == FAILED
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.strip().count("\n") == 0
    assert not (tmp_path / "out" / "bench.json").exists()
    assert RATER.asked == []


def test_a_judge_that_cannot_be_reached_is_one_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from phyrefine.errors import AuthError, ServerFaultError

    data, out = videophy2(tmp_path / "data"), tmp_path / "out"

    def refused(_: object, __: object) -> None:
        raise AuthError("the key is wrong")

    monkeypatch.setattr(bench_helpers.Rater, "ask", refused)
    judged = ("--judge-vlm", "bench_helpers:rater")
    assert bench("videophy-2", data, out, *judged) == FAILED
    assert capsys.readouterr().err.count("the key is wrong") == 1
    assert len(list((out / "videos").rglob("*.mp4"))) == 6  # what was made is kept

    told = []

    def once(self: object, question: object) -> object:
        told.append(question)
        if len(told) > 2:
            raise ServerFaultError("down")
        return bench_helpers.Answer("4")

    monkeypatch.setattr(bench_helpers.Rater, "ask", once)
    assert bench("videophy-2", data, out, *judged, "--score-only") == STOPPED_EARLY
    shown = capsys.readouterr().out
    assert "5 clips are not judged: run the same command again." in shown


def test_names_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "videophy2"]) == FAILED
    assert "Did you mean 'videophy-2'?" in capsys.readouterr().err
    assert main(["bench", "physics-iq", "--help"]) == 0
    assert "Run Physics-IQ" in capsys.readouterr().out
    assert main(["bench", "--help"]) == 0
    assert "Run Physics-IQ" in capsys.readouterr().out
    assert main(["bench", "phygenbench", "--help"]) == 0
    assert "--judge-vlm" in capsys.readouterr().out


def test_lists_tell_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["benchmarks"],
        ["judges"],
        ["benchmarks", "physfixbench"],
        ["judges", "phyrubric"],
    ):
        assert main(words) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "NOT its own protocol" in shown
    assert "Its template and the length of a reply were NOT seen" in shown
    assert main(["judges", "nobody"]) == FAILED


def test_intervals_are_of_prompts() -> None:
    assert estimate([]) is None
    one = estimate([0.5])
    assert (one.mean, one.low, one.high) == (0.5, None, None)
    many = estimate([0.0, 1.0] * 50)
    assert many.mean == 0.5
    # The standard error of 100 coin flips is 0.05.
    assert many.low == pytest.approx(0.4, abs=0.021)
    assert many.high == pytest.approx(0.6, abs=0.021)
    assert many == estimate([0.0, 1.0] * 50)


def test_laws_have_a_table_of_their_own_and_repeats_a_spread(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench_helpers.write_json(tmp_path / "phyground.json", [
        {"id": 1, "prompt": "A ball falls.", "physical_laws": ["gravity"], "id_stem": "a"},
        {"id": 2, "prompt": "It meets the floor.", "physical_laws": ["gravity", "collision"],
         "id_stem": "b"},
    ])  # fmt: skip
    out = tmp_path / "out"
    judged = ("--judge-vlm", "bench_helpers:lawyer", "--repeats", "2", "--loops", "1")
    assert bench("phyground", tmp_path, out, *judged) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "score by law. Evaluator: PhyJudge-9B (bench_helpers:lawyer" in shown
    assert "Repeated looks at a clip differ by 0.71 in pc" in shown
    told = json.loads((out / "table.json").read_text())["laws"]
    assert (told["gravity"]["plain"]["mean"], told["gravity"]["plain"]["count"]) == (2.5, 2)
    assert (told["collision"]["plain"]["mean"], told["collision"]["plain"]["count"]) == (3.5, 1)


def test_the_general_judge_is_told_the_benchmarks_law(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    RATER.texts = ('{"reason": "r", "sa": 5, "pc": 2}',)
    data, out = phygenbench(tmp_path / "data"), tmp_path / "out"
    assert bench("phygenbench", data, out, "--judge-vlm", "bench_helpers:rater") == 0
    texts = {question.text for question in RATER.asked}
    assert any("as the benchmark states it: Due to gravity it falls" in text for text in texts)
    assert "The judge was told the law that the benchmark names" in capsys.readouterr().out


def test_many_failures_are_counted_and_not_all_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"caption": f"Ball {number} falls."} for number in range(9)]
    bench_helpers.write_json(tmp_path / "prompts.json", rows)

    def broken(_: object, __: object) -> None:
        raise GenerationError("out of memory")

    monkeypatch.setattr(MovingDot, "generate", broken)
    assert bench("phygenbench", tmp_path, tmp_path / "out") == STOPPED_EARLY
    shown = capsys.readouterr().out
    assert shown.count("output_video_") == 5
    assert "... and 4 more." in shown
    assert "9 prompts are not finished: run the same command again." in shown
