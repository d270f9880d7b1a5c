"""From a recipe to the packs, with models that need no weights, and again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from phyrefine.cli import FAILED, main
from phyrefine.physics_iq.data.layout import Edition
from phyrefine.physics_iq.scoring.evaluate import Evaluator
from phyrefine.physics_iq.submission.card_files import read_card
from phyrefine.run.following.follower import Follower

RECIPE = """
[models]
vlm = "piq_helpers:watcher"
llm = "piq_helpers:writer"
generator = "piq_helpers:dot"
dialect = "prose"
[plan]
fps = 8
size = [32, 48]
steps = [4]
seeds = [0, 1]
loops = 2
rule = "consensus"
[[packs]]
name = "chosen"
rule = "consensus"
[[packs]]
name = "second"
row = 2
[card]
organization = "example"
availability = "private"
"""


@pytest.fixture(scope="module")
def verified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from piq_helpers import build

    return build(tmp_path_factory.mktemp("verified"), Edition.VERIFIED, scenes=1)


def words(data: Path, folder: Path, *more: str) -> list[str]:
    recipe = folder / "dot.toml"
    if not recipe.exists():
        recipe.write_text(RECIPE)
    given = ["--recipe", str(recipe), "--data", str(data), "--out", str(folder / "out")]
    return ["bench", "physics-iq", *given, *more]


@pytest.fixture(scope="module")
def finished(verified: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe and what came of it; copy it to change it."""
    folder = tmp_path_factory.mktemp("recipe")
    assert main(words(verified, folder)) == 0
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "own", ignore=shutil.ignore_patterns("scenarios"))
    return tmp_path / "own"


def card(pack: Path) -> dict[str, Any]:
    return read_card((pack / "submission.yaml").read_text())


@pytest.mark.slow
def test_one_command_makes_the_table_and_the_packs(finished: Path) -> None:
    out = finished / "out"
    assert {path.name for path in out.glob("seed-*")} == {"seed-0", "seed-1"}
    table = json.loads((out / "table.json").read_text())
    assert table["seeds"] == [0, 1]
    loops = [row for row in table["rows"] if row["kind"] == "loop"]
    assert len(loops) == 2
    assert all(row["score"]["std"] > 0 for row in loops)
    pack = out / "packs" / "chosen"
    assert len(list(pack.glob("runs/*/*.mp4"))) == 6  # 3 samples, two runs
    info = card(pack)["public_info"]
    assert (info["organization"], info["bon_sampling"]) == ("example", 2)
    assert info["bon_sampling_method"] == "consensus"
    assert info["comments"].endswith("Seeds 0, 1.")
    said = (out / "packs" / "chosen.txt").read_text()
    assert "Phys-IQ verified: " in said
    assert " ± " in said
    mean = card(pack)["reported_scores"]["physiq_mean"]
    assert f"Phys-IQ verified: {mean:.2f} ± " in said
    assert card(out / "packs" / "second")["public_info"]["bon_sampling"] == 1
    assert (out / "recipe.toml").read_text() == RECIPE


@pytest.mark.slow
def test_every_seed_is_a_run_of_its_own(finished: Path) -> None:
    """Loops of other seeds watched other clips, so they have other prompts."""
    name = "0001_perspective-left_trimmed-square-slides"
    prompts = []
    for seed in range(2):
        path = finished / f"out/seed-{seed}/samples/{name}.json"
        record = json.loads(path.read_text())
        assert set(record["rows"]) == {f"{row}-steps4-seed{seed}" for row in _ROWS}
        assert set(record["selectors"]["consensus"]) == set(record["rows"])
        prompts.append(record["rows"][f"loop2-steps4-seed{seed}"]["prompt"])
    assert len(set(prompts)) == 2


_ROWS = ("plain", "loop1", "loop2")


def test_a_recipes_folder_is_followed_as_one_benchmark(finished: Path) -> None:
    progress = Follower(finished / "out").look()
    assert progress.kind == "benchmark"
    assert progress.counts["done"] == 6
    assert len(progress.runs) == 2


def test_again_nothing_is_made_or_measured_or_packed_anew(
    verified: Path,
    copied: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def made(*_: Any, **__: Any) -> None:
        raise AssertionError("made anew")

    monkeypatch.setattr("piq_helpers.dot", made)
    monkeypatch.setattr(Evaluator, "_compare_generated", made)
    signed = copied / "out/packs/chosen/submission.yaml"
    signed.write_text(
        signed.read_text().replace("has_rights_to_submit: false", "has_rights_to_submit: true")
    )
    assert main(words(verified, copied)) == 0
    assert card(signed.parent)["warranties"]["has_rights_to_submit"] is True
    # Of two packs only the other one's is still open.
    assert capsys.readouterr().out.count("warranties.has_rights_to_submit") == 1


def test_a_lost_clip_is_made_again_and_the_pack_checked(verified: Path, copied: Path) -> None:
    lost = next((copied / "out/seed-1/videos/loop2-steps4-seed1").iterdir())
    lost.unlink()
    assert main(words(verified, copied)) == 0
    assert lost.is_file()


def test_a_pack_of_something_else_is_never_overwritten(
    verified: Path, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copied / "info.yaml").write_text("organization: other\n")
    assert main(words(verified, copied, "--info", str(copied / "info.yaml"))) == FAILED
    assert "made from other clips or other fields of the card. Move it away" in (
        capsys.readouterr().err
    )
    assert card(copied / "out/packs/chosen")["public_info"]["organization"] == "example"
    shutil.rmtree(copied / "out/packs")
    assert main(words(verified, copied, "--info", str(copied / "info.yaml"))) == 0
    assert card(copied / "out/packs/chosen")["public_info"]["organization"] == "other"


@pytest.mark.slow
def test_original_enters_the_first_seed_and_tells_of_all(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tiny, tmp_path, "--seeds", "4,2", "--loops", "2")) == 0
    said = capsys.readouterr().out
    assert "Original takes one run: seed 4's, the first of the recipe" in said
    assert "Phys-IQ orig.: " in said
    pack = tmp_path / "out/packs/second"
    assert [path.name for path in (pack / "runs").iterdir()] == ["dot-v2v-run_01"]
    sources = {
        p.name: p.read_bytes()
        for p in (tmp_path / "out/seed-4/videos/loop2-steps4-seed4").iterdir()
    }
    assert {p.name: p.read_bytes() for p in pack.glob("runs/*/*.mp4")} == sources


@pytest.mark.parametrize(
    ("change", "flags", "said"),
    [
        (('dialect = "prose"', 'dialect = "timed"'), [], "wants prompts in the dialect 'timed'"),
        (("[models]", 'edition = "original"\n[models]'), [], "is for Physics-IQ original"),
        (("row = 2", "row = 3"), [], "The table has rows 1 to 2, not [3]"),
        (("", ""), ["--seeds", "0,1,2,3,4"], "at most 4 runs, one a seed; these are 5 seeds"),
        (("", ""), ["--loops", "1"], "The table has rows 1 to 1, not [2]"),
        (("", ""), ["--fps", "12"], "has no masks at 12 FPS"),
    ],
)
def test_what_cannot_work_is_told_before_any_clip(
    change: tuple[str, str],
    flags: list[str],
    said: str,
    verified: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "dot.toml").write_text(RECIPE.replace(*change) if change[0] else RECIPE)
    monkeypatch.setattr("phyrefine.refiner.SelfRefiner.refine", lambda *_: pytest.fail("refined"))
    assert main(words(verified, tmp_path, *flags)) == FAILED
    assert said in capsys.readouterr().err


def test_a_folder_of_a_run_without_a_recipe_is_refused(
    verified: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "bench.json").write_text("{}")
    assert main(words(verified, tmp_path)) == FAILED
    assert "holds a benchmark run without a recipe" in capsys.readouterr().err


@pytest.mark.slow
def test_a_shard_is_only_generated(
    verified: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(verified, tmp_path, "--shard", "1/3")) == 0
    assert "Shard done." in capsys.readouterr().out
    assert len(list((tmp_path / "out/seed-1/samples").glob("*.json"))) == 1
    assert not (tmp_path / "out" / "table.txt").exists()


def test_a_dry_run_counts_every_seed(
    verified: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--dry-run", "--seconds-per-clip", "10"]
    assert main(words(verified, tmp_path, *flags)) == 0
    said = capsys.readouterr().out
    assert "18 clips" in said  # 3 samples, 2 seeds, plain and two loops
    assert not (tmp_path / "out").exists()
