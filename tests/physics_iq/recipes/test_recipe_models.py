"""The shipped recipes through the loading code of their models, on tiny random weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phyrefine.cli import main

pytestmark = [
    pytest.mark.slow,
    # diffusers passes PIL images to NumPy 2 so.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
TESTS = Path(__file__).parents[2]
pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("pymunk")


def run(recipe: str, generator: str, folder: Path, *more: str) -> None:
    """One loop and two seeds of a recipe on one made scene."""
    words = ["--recipe", recipe, "--data", str(folder / "data"), "--make-scenes", "1"]
    words += ["--out", str(folder / "out"), "--vlm", "world", "--llm", "world"]
    words += ["--generator", generator, "--loops", "1", "--seeds", "0,1", "--size", "32", "48"]
    assert main(["bench", "physics-iq", *words, *more]) == 0
    pack = folder / "out" / "packs" / "refined"
    assert len(list(pack.glob("runs/*/*.mp4"))) == 6
    assert (pack / "submission.yaml").is_file()
    table: dict[str, object] = json.loads((folder / "out" / "table.json").read_text())
    assert table["edition"] == "verified"
    assert table["seeds"] == [0, 1]


def test_magi(tmp_path: Path) -> None:
    from magi import tiny_checkpoint

    place = tiny_checkpoint.write(tmp_path / "model")
    run("magi-1", f"magi:{place}", tmp_path, "--steps", "4")


def test_cosmos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TESTS / "backends"))
    import tiny_pipelines

    tiny_pipelines.cosmos_3().save_pretrained(tmp_path / "model")
    where = f"diffusers:{tmp_path / 'model'}?num_frames=125&size=32x32"
    run("cosmos-3", where, tmp_path, "--steps", "1")
