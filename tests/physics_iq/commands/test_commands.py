"""``score``, ``ensemble`` and ``pack``: what they say, what they refuse before any work."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from phyrefine.cli import FAILED, INTERRUPTED, STOPPED_EARLY, USAGE, main
from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.commands.scores import run_names
from phyrefine.physics_iq.generation.plan import origin
from phyrefine.physics_iq.scoring.evaluate import Evaluator
from phyrefine.physics_iq.scoring.results import ResultTable
from phyrefine.physics_iq.submission import making as submission
from phyrefine.physics_iq.submission.card_files import read_card

ROWS = ("loop1-steps4-seed0", "loop2-steps4-seed0")


@pytest.fixture
def shared(tiny: Path, cache: Path) -> list[str]:
    """Flags of all three."""
    return ["--data", str(tiny), "--cache", str(cache), "--jobs", "1"]


@pytest.fixture
def videos(tiny_bench: Path, tmp_path: Path) -> list[str]:
    """Two folders of clips, both called ``videos``."""
    folders = [tmp_path / name / "videos" for name in ("A", "B")]
    for folder, row in zip(folders, ROWS, strict=True):
        shutil.copytree(tiny_bench / "videos" / row, folder)
    return [str(folder) for folder in folders]


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any measuring fails the test."""

    def measured(*_: Any, **__: Any) -> None:
        raise AssertionError("measured")

    monkeypatch.setattr(Evaluator, "measure_runs", measured)


def refused(words: Iterable[object], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a command is refused with."""
    assert main([str(word) for word in words]) == FAILED
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    return shown


# -- score -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_folders_of_one_name_are_all_scored(
    videos: list[str],
    shared: list[str],
    tiny_bench: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "scores"
    assert main(["score", *videos, *shared, "--fps", "8", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["A-videos.csv", "B-videos.csv"]
    assert ResultTable.read(out / "A-videos.csv") != ResultTable.read(out / "B-videos.csv")
    assert "A-videos" in told
    assert "B-videos" in told
    assert "±" in told


def test_names_of_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def names(*folders: str) -> list[str]:
        return list(run_names([Path(folder) for folder in folders]))

    assert names("A", "B/C") == ["A", "C"]
    assert names("A/videos", "B/videos", "B/other") == ["A-videos", "B-videos", "other"]
    assert names("x/A/v", "y/A/v", "y/B/v") == ["x-A-v", "y-A-v", "B-v"]
    assert names(".") == [tmp_path.name]
    assert names("A/..") == [tmp_path.name]
    for twice in (("A", "./A"), ("A", str(tmp_path / "A")), ("A", "B", "B/../A")):
        with pytest.raises(InvalidInputError, match="is given twice"):
            names(*twice)
    with pytest.raises(InvalidInputError, match="both be called A-v: rename one"):
        names("A/v", "B/v", "A-v")


@pytest.mark.slow
@pytest.mark.usefixtures("no_work")
def test_all_folders_are_looked_at_before_any_is_scored(
    videos: list[str], shared: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["score", videos[0], tmp_path / "nope", *shared, "--fps", "8", "--out", tmp_path / "o"]
    assert f"No such folder of generated videos: {tmp_path / 'nope'}" in refused(words, capsys)
    min(Path(videos[1]).iterdir()).unlink()
    for command in ("score", "ensemble"):
        assert "0001_*.mp4" in refused([command, *videos, *shared, "--fps", "8"], capsys)
    assert not (tmp_path / "o").exists()


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("command", ["score", "ensemble"])
def test_another_rate_than_the_clips(
    command: str, videos: list[str], shared: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused([command, *videos, *shared, "--fps", "10"], capsys)
    assert f"The clips in {videos[0]} run at 8 FPS, not 10: pass --fps 8" in told


def test_scores_are_kept_when_a_later_run_is_interrupted(
    videos: list[str], shared: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = Evaluator.evaluate

    def interrupted(self: Evaluator, folder: Path) -> Any:
        if folder == Path(videos[1]):
            raise KeyboardInterrupt
        return evaluate(self, folder)

    monkeypatch.setattr(Evaluator, "evaluate", interrupted)
    out = tmp_path / "out"
    assert main(["score", *videos, *shared, "--fps", "8", "--out", str(out)]) == INTERRUPTED
    assert [path.name for path in out.iterdir()] == ["A-videos.csv"]


@pytest.mark.usefixtures("no_work")
def test_a_file_is_no_folder_to_write_into(
    videos: list[str],
    shared: list[str],
    tiny_bench: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for command in ("score", "ensemble"):
        for out in (file, file / "below"):
            words = [command, *videos, *shared, "--fps", "8", "--out", out]
            assert f"{file} is a file: name a folder" in refused(words, capsys)
    words = ["pack", tiny_bench, *shared, "--row", "1", "--seed", "0", "--out", file / "below"]
    assert f"{file} is a file: name a folder" in refused(words, capsys)


@pytest.mark.parametrize("command", ["score", "ensemble", "pack"])
@pytest.mark.parametrize("jobs", ["-1", "0"])
def test_a_wrong_number_of_jobs_is_a_wrong_command(
    command: str, jobs: str, tiny: Path, tmp_path: Path
) -> None:
    rest = ["--out", str(tmp_path / "o")] + ([] if command == "pack" else ["--fps", "8"])
    assert main([command, str(tmp_path), "--data", str(tiny), *rest, "--jobs", jobs]) == USAGE


def test_an_unofficial_number_is_not_one_to_quote(
    videos: list[str], shared: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", videos[0], *shared, "--fps", "8", "--lossless"]) == 0
    told = capsys.readouterr().out
    assert "NOT OFFICIAL: neither number is one to quote" in told
    assert "Masks were not handled as the official program does" in told
    assert "is the number to quote" not in told


# -- ensemble --------------------------------------------------------------------------------------


def test_runs_that_make_no_table(
    tiny_bench: Path, shared: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*rows: str) -> str:
        folders = [str(tiny_bench / "videos" / row) for row in rows]
        assert main(["ensemble", *folders, *shared, "--fps", "8"]) == FAILED
        shown = capsys.readouterr()
        assert shown.out == ""
        return shown.err

    said = told("loop1-steps4-seed0", "loop2-steps4-seed1")
    assert "share no seed" in said
    assert "loop1-steps4-seed0; loop2-steps4-seed1" in said
    said = told("plain-steps4-seed0")
    assert "no refined row" in said
    assert "plain-steps4-seed0" in said


@pytest.mark.usefixtures("no_work")
def test_subsets_are_read_before_any_work(
    videos: list[str], shared: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["ensemble", *videos, *shared, "--fps", "8", "--subsets", "1;x"]
    assert "'x' is not numbers" in refused(words, capsys)


# -- pack ------------------------------------------------------------------------------------------


@pytest.fixture
def bench(tiny_bench: Path, tmp_path: Path) -> Path:
    """A benchmark folder to change."""
    folder = tmp_path / "bench"
    shutil.copytree(tiny_bench, folder, ignore=shutil.ignore_patterns("cache", "scenarios"))
    return folder


def change(bench: Path, **plan: Any) -> None:
    """Change the plan of a folder."""
    said = json.loads((bench / "bench.json").read_text())
    said["plan"].update(plan)
    (bench / "bench.json").write_text(json.dumps(said))


def test_one_seeds_run_is_packed(tiny_bench: Path, shared: list[str], tmp_path: Path) -> None:
    out = tmp_path / "pack"
    words = ["pack", str(tiny_bench), *shared, "--out", str(out), "--row", "2", "--seed", "1"]
    assert main(words) == STOPPED_EARLY  # 6 clips here, 198 there
    clips = sorted((out / "runs").rglob("*.mp4"))
    sources = sorted((tiny_bench / "videos" / "loop2-steps4-seed1").iterdir())
    assert [clip.read_bytes() for clip in clips] == [path.read_bytes() for path in sources]
    info = read_card((out / "original.yaml").read_text())["public_info"]
    assert info["comments"] == "Clips of loop 2, 4 denoising steps. Seeds 1 of 0, 1."
    assert info["bon_sampling_method"] is None
    rows = list(csv.DictReader((out / "descriptions.csv").read_text().splitlines()))
    assert len(rows) == 6
    for row in rows:
        name = row["generated_video_name"].removesuffix(".mp4")
        record = json.loads((tiny_bench / "samples" / f"{name}.json").read_text())
        assert row["description"] == record["rows"]["loop2-steps4-seed1"]["prompt"]
        assert row["description"] != row["original_description"]
    assert not (out / "descriptions").exists()


def test_one_seeds_run_of_an_ensemble(tiny_bench: Path, shared: list[str], tmp_path: Path) -> None:
    out = tmp_path / "pack"
    words = ["pack", str(tiny_bench), *shared, "--out", str(out), "--ensemble", "judge"]
    assert main([*words, "--subset", "1,2,2", "--seed", "0"]) == STOPPED_EARLY
    for clip in (out / "runs").rglob("*.mp4"):
        made = [(tiny_bench / "videos" / row / clip.name).read_bytes() for row in ROWS]
        assert clip.read_bytes() in made
    card = read_card((out / "original.yaml").read_text())
    assert card["public_info"]["bon_sampling"] == 2


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--row", "1"], "takes one run, these are 2: enter one seed's with --seed, one of 0, 1"),
        (["--row", "1", "--seed", "7"], "No run has seed 7: --seed takes one of 0, 1"),
        (["--row", "1", "--seed", "0", "--subset", "1,2"], "A subset (1, 2) is what an ensemble"),
        (["--ensemble", "nobody", "--seed", "0"], "there are ['critic', 'judge']"),
        (["--row", "1", "--seed", "0", "--info", "nope.yaml"], "Cannot read nope.yaml: No such"),
        (["--row", "1", "--seed", "0", "--info", "latin.yaml"], "latin.yaml is not text in UTF-8"),
        (["--row", "1", "--seed", "0", "--info", "torn.yaml"], "torn.yaml is not YAML"),
        (["--row", "1", "--seed", "0", "--info", "day.yaml"], "day.yaml is not YAML"),
        (["--row", "1", "--seed", "0", "--info", "list.yaml"], "list.yaml is a list"),
    ],
)
def test_packs_that_are_refused_before_any_work(
    flags: list[str],
    said: str,
    tiny_bench: Path,
    shared: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("latin.yaml").write_bytes("organization: Zürich\n".encode("latin-1"))
    Path("torn.yaml").write_text("organization: [a,\n")
    Path("day.yaml").write_text("date: 2026-13-45\n")
    Path("list.yaml").write_text("- a\n")
    words = ["pack", tiny_bench, *shared, "--out", tmp_path / "pack", *flags]
    assert said in refused(words, capsys)
    assert not (tmp_path / "pack").exists()


@pytest.mark.usefixtures("no_work")
def test_more_seeds_than_verified_takes(
    bench: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(bench, seeds=[0, 1, 2, 3, 5])
    said = json.loads((bench / "bench.json").read_text())
    (bench / "bench.json").write_text(json.dumps({**said, "edition": "verified"}))
    shutil.copytree(tiny, tmp_path / "data")
    root = tmp_path / "data" / "physics-IQ-benchmark"
    root.rename(root.with_name("physics-IQ-benchmark-verified"))
    words = ["pack", bench, "--data", tmp_path / "data", "--row", "1", "--out", tmp_path / "pack"]
    told = refused(words, capsys)
    assert "takes at most 4 runs, these are 5" in told
    assert "--seed, one of 0, 1, 2, 3, 5" in told


@pytest.mark.usefixtures("no_work")
def test_a_folder_that_is_there_is_refused_at_once(
    tiny_bench: Path, shared: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["pack", tiny_bench, *shared, "--out", tmp_path, "--row", "1", "--seed", "0"]
    assert f"{tmp_path} exists" in refused(words, capsys)


def test_an_interrupted_pack_leaves_nothing(
    tiny_bench: Path, shared: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = submission.cut_clip

    def interrupted(source: Path, target: Path, fps: int) -> None:
        if target.name.startswith("0002_"):
            raise KeyboardInterrupt
        cut(source, target, fps)

    monkeypatch.setattr(submission, "cut_clip", interrupted)
    out = tmp_path / "packs" / "one"
    words = ["pack", str(tiny_bench), *shared, "--out", str(out), "--row", "1", "--seed", "0"]
    assert main(words) == INTERRUPTED
    assert list(out.parent.iterdir()) == []
    monkeypatch.setattr(submission, "cut_clip", cut)
    assert main(words) == STOPPED_EARLY
    assert [path.name for path in out.parent.iterdir()] == ["one"]


def test_the_card_tells_the_clips_size_and_where_they_come_from(
    bench: Path, shared: list[str], tmp_path: Path
) -> None:
    """The plan's size may be another than the generator's, and ``run/`` may be deleted."""
    change(bench, size=[64, 96])
    known = origin(bench)
    assert set(known) == {"date", "version", "generator"}
    assert known["generator"] == "moving-dot"
    shutil.rmtree(bench / "run")
    said = json.loads((bench / "bench.json").read_text())
    noted = {"date": "2026-01-02", "version": "9.8", "generator": "dot-3"}

    def info(made: dict[str, str]) -> Any:
        (bench / "bench.json").write_text(json.dumps({**said, "made": made}))
        out = tmp_path / f"pack-{len(made)}"
        words = ["pack", str(bench), *shared, "--out", str(out), "--row", "1", "--seed", "0"]
        assert main(words) == STOPPED_EARLY
        return read_card((out / "original.yaml").read_text())["public_info"]

    full = info(noted)
    assert full["resolution"] == "48x32"
    assert (full["date"], full["model_version"]) == ("2026-01-02", "dot-3")
    assert full["prompt_upsampling_method"].startswith("phyrefine 9.8: watcher criticises")
    bare = info({})
    assert (bare["date"], bare["model_version"]) == (None, "dot")
    assert bare["prompt_upsampling_method"].startswith("phyrefine: watcher criticises")


def test_endings_in_capitals_are_named(
    videos: list[str], shared: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    clip = min(Path(videos[0]).iterdir())
    clip.rename(clip.with_suffix(".MP4"))
    told = refused(["score", videos[0], *shared, "--fps", "8"], capsys)
    assert f"Rename to .mp4 in small letters: {clip.stem}.MP4." in told
