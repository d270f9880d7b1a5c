"""``phyrefine check`` on a download and on a pack; prompts that differ between runs."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from phyrefine.cli import FAILED, main
from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.physics_iq.scoring.truth import GroundTruth
from phyrefine.physics_iq.submission.prompts import write_prompts


def test_a_download_is_checked(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny, tmp_path, dirs_exist_ok=True)
    words = ["check", str(tmp_path), "--fps", "8"]
    assert main(words) == FAILED
    told = capsys.readouterr().out
    assert "original, 6 of 198 samples." in told
    assert told.endswith("Checked the data, v2v at 8 FPS: 1 problem.\n")
    data = PhysicsIQ.open(tmp_path)
    clip = GroundTruth(data, 8).testing(data.samples[0], 1)
    clip.write_bytes(b"")
    assert main(words) == FAILED
    told = capsys.readouterr().out
    assert f"{clip} is empty" in told
    assert told.endswith(": 2 problems.\n")


def test_a_pack_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "original.yaml").write_text("public_info: {}\n")
    assert main(["check", str(tmp_path), "--run-id", "no id"]) == FAILED
    told = capsys.readouterr().out
    assert "run_id: 'no id' is not <org>__" in told
    assert "other:runs: holds no folder of clips" in told


def test_the_other_name_of_the_conditioning_folder(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path, dirs_exist_ok=True)
    data = PhysicsIQ.open(tmp_path)
    folder = data.root / "split-videos" / "conditioning"
    folder.rename(folder.with_name("conditioning-videos"))
    assert data.missing_inputs(fps=8) == []


def test_the_newest_place_of_the_prompts(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path, dirs_exist_ok=True)
    place = tmp_path / "descriptions" / "descriptions_original.csv"
    place.parent.mkdir()
    (tmp_path / "descriptions.csv").rename(place)
    assert PhysicsIQ.open(tmp_path).descriptions == place


def test_runs_of_other_prompts_have_a_table_each(tiny: Path, tmp_path: Path) -> None:
    data = PhysicsIQ.open(tiny)
    names = [f"{sample.name}.mp4" for sample in data.samples]
    runs = {run: {name: f"{run}, {name}" for name in names} for run in ("a", "b")}
    write_prompts(tmp_path, data.descriptions, runs)
    for run, prompts in runs.items():
        rows = list(csv.DictReader((tmp_path / f"descriptions/{run}.csv").read_text().splitlines()))
        assert {r["generated_video_name"]: r["description"] for r in rows} == prompts
        assert [r["original_description"] for r in rows] == [s.description for s in data.samples]
    assert (tmp_path / "descriptions.csv").read_text() == (
        tmp_path / "descriptions/a.csv"
    ).read_text()
    with pytest.raises(InvalidInputError, match=r"no row for 0009_x\.mp4"):
        write_prompts(tmp_path, data.descriptions, {"a": {"0009_x.mp4": "p"}})
