"""``phyrefine bench``: what is refused before any work, and what a folder may be used for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from phyrefine.cli import main
from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.physics_iq.data.layout import Edition
from phyrefine.physics_iq.generation import generating as generation
from phyrefine.physics_iq.synthetic import world_set
from phyrefine.physics_iq.synthetic.world_set import made_world_dataset


@pytest.fixture
def generated(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Calls that would have generated."""
    calls: list[Any] = []
    monkeypatch.setattr(generation, "generate", lambda *args, **_: calls.append(args) or ["stop"])
    return calls


def bench(tiny: Path, out: Path, *more: str) -> int:
    flags = ["--data", str(tiny), "--out", str(out)]
    flags += [] if "--fps" in more else ["--fps", "8"]
    return main(["bench", "physics-iq", *flags, *more])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--size", "33", "48"], "size must be two even numbers, not (33, 48)"),
        (["--loops", "1", "--subsets", "1,5"], "rows 1 to 1 (0 is the plain description)"),
        (["--fps", "12"], "files to score with are missing or empty"),
        (["--score-only", "--shard", "1/2"], "leave out --shard"),
        (["--descriptions", "nowhere.csv"], "Cannot read the descriptions nowhere.csv"),
    ],
)
def test_what_cannot_work_is_told_before_any_work(
    flags: list[str],
    said: str,
    tiny: Path,
    tmp_path: Path,
    generated: list[Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bench(tiny, tmp_path / "out", *flags) == 1
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1
    assert generated == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("flags", [["--jobs", "-1"], ["--loops", "0"], ["--steps", "4,x"]])
def test_a_wrong_number_is_a_wrong_command(
    flags: list[str], tiny: Path, tmp_path: Path, generated: list[Any]
) -> None:
    assert bench(tiny, tmp_path / "out", *flags) == 2
    assert generated == []


def test_missing_truth_stops_all_but_a_shard(
    tiny: Path, tmp_path: Path, generated: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny, data)
    lost = min((data / "physics-IQ-benchmark/split-videos/testing/8FPS").iterdir())
    lost.unlink()
    assert bench(data, tmp_path / "out") == 1
    assert f"1 files to score with are missing or empty: {lost}" in capsys.readouterr().err
    assert generated == []
    assert bench(data, tmp_path / "out", "--shard", "1/2") == 3
    assert len(generated) == 1


def test_ctrl_c_is_told(
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*_: Any, **__: Any) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(generation, "generate", interrupted)
    assert bench(tiny, tmp_path / "out") == 130
    assert "Interrupted" in capsys.readouterr().err


# -- scenes made here --------------------------------------------------------------------------


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders that were filled; rendering itself is tested elsewhere."""
    folders: list[Path] = []

    def build(folder: Path, **_: Any) -> None:
        folders.append(folder)
        (folder / "physics-IQ-benchmark").mkdir(exist_ok=True)
        if len(folders) > 1:  # the first is interrupted
            (folder / "descriptions.csv").write_text("whole")

    monkeypatch.setattr(world_set, "build_world_dataset", build)
    return folders


def make(folder: Path, scenes: int = 2, fps: int = 8) -> None:
    made_world_dataset(folder, scenes=scenes, fps=fps, edition=Edition.ORIGINAL)


def test_scenes_are_made_once_and_an_interrupted_making_goes_on(
    built: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "small"
    for _ in range(3):
        make(folder)
    assert built == [folder, folder]


@pytest.mark.parametrize("inside", ["descriptions.csv", "physics-IQ-benchmark", "notes.txt"])
def test_scenes_never_mix_with_a_download(inside: str, built: list[Path], tmp_path: Path) -> None:
    path = tmp_path / inside
    path.write_text("") if path.suffix else path.mkdir()
    with pytest.raises(Exception, match="never mix with the benchmark"):
        make(tmp_path)
    with pytest.raises(Exception, match="never mix with the benchmark"):
        make(tmp_path / "new" / "physics-IQ-benchmark-verified")
    assert built == []
    assert [item.name for item in tmp_path.iterdir()] == [inside]


def test_other_scenes_need_another_folder(built: list[Path], tmp_path: Path) -> None:
    make(tmp_path / "small")
    for other in ({"scenes": 3}, {"fps": 24}):
        with pytest.raises(Exception, match="name a new folder"):
            make(tmp_path / "small", **other)
    assert len(built) == 1


def test_a_dry_run_counts_all_samples_and_generates_nothing(
    tiny: Path, tmp_path: Path, generated: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    rates = ["--seconds-per-clip", "36", "--loops", "2", "--seeds", "0,1", "--ensemble", "judge"]
    assert bench(tiny, tmp_path / "out", "--dry-run", *rates) == 0
    said = capsys.readouterr().out
    samples = len(PhysicsIQ.open(tiny).samples)
    assert f"{samples} scenarios, 0 finished, {samples} to do." in said
    clips = samples * 3 * 2  # the plain description and two loops, two seeds each
    assert f"at most {clips} clips, " in said
    assert f"GPU hours: {clips * 36 / 3600:.3g} (36 s per clip, stated)" in said
    assert generated == []
    assert not (tmp_path / "out").exists()
    assert bench(tiny, tmp_path / "out", "--dry-run", "--shard", "1/2") == 0
    assert f"{-(-samples // 2)} scenario" in capsys.readouterr().out


def test_a_tracker_hears_the_refiner_and_a_recipe_says_that_it_takes_none(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("opentelemetry")
    heard: list[Any] = []
    monkeypatch.setattr(generation, "generate", lambda *_, **how: heard.append(how) or ["stop"])
    assert bench(tiny, tmp_path / "out", "--track", "otel") == 3
    (how,) = heard
    assert [type(one).__name__ for one in how["listeners"]] == ["Spans"]
    assert how["on"] is None
    for more in (["--track", "otel"], ["--ray", "auto"]):
        assert bench(tiny, tmp_path / "out", "--recipe", "rehearsal", *more) == 1
        assert "--recipe goes with neither" in capsys.readouterr().err
