"""From nothing to a table with real parts: a tiny diffusers pipeline, and models over HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench_helpers import SHORT, phygenbench, videophy2

from phyrefine.cli import main

pytest.importorskip("openai")
pytest.importorskip("diffusers")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from phyrefine.backends.diffusers.tiny import tiny_cogvideox

    folder = tmp_path_factory.mktemp("pipeline") / "tiny"
    tiny_cogvideox(image=False).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("name", "build", "judge"),
    [
        ("videophy-2", videophy2, "general"),
        ("videophy-2", videophy2, "videophy-2-autoeval"),
        ("phygenbench", phygenbench, "general"),
    ],
)
def test_a_tiny_text_to_video_model_is_judged_over_http(
    name: str, build: object, judge: str, pipeline: Path, tmp_path: Path
) -> None:
    from phyrefine.backends.loopback.rehearsal import rehearse
    from phyrefine.backends.loopback.server import Loopback

    data, out = build(tmp_path / "data"), tmp_path / "out"  # type: ignore[operator]
    # A trained judge answers with a bare number and is asked for no schema.
    reply = lambda asked: rehearse(asked) if asked.schema else "4"  # noqa: E731
    with Loopback(reply) as server:
        model = f"openai:loopback?base_url={server.openai_url}"
        command = [
            "bench", name, "--data", str(data), "--out", str(out), *SHORT, "--steps", "2",
            "--generator", f"diffusers:{pipeline}", "--generator-option", "device=cpu",
            "--vlm", model, "--llm", model, "--judge", judge, "--judge-vlm", model, "--limit", "2",
        ]  # fmt: skip
        assert main(command) == 0
        asked = len(server.requests)
        assert main(command) == 0
        assert len(server.requests) == asked
    told = json.loads((out / "table.json").read_text())
    assert [run["run"] for run in told["runs"]] == [
        "plain-steps2", "loop1-steps2", "chosen by consensus",
    ]  # fmt: skip
    assert all(run["clips"] == 2 and run["unrated"] == 0 for run in told["runs"])
    assert told["runs"][0]["joint"] is not None
    assert "openai:loopback" in told["evaluator"]


@pytest.mark.parametrize("judge", ["cosmos-reason2", "phyrubric", "videoscore2", "phyjudge-9b"])
def test_a_local_model_plays_every_row_and_noise_is_no_score(
    judge: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "backends"))
    from tiny_models import qwen3_vl

    from phyrefine.adapt import as_vlm
    from phyrefine.bench.benchmark import Item
    from phyrefine.bench.judges.row_judge import RowJudge
    from phyrefine.bench.judges.table import find
    from phyrefine.bench.judges.view import fitted
    from phyrefine.options import join_options
    from phyrefine.testing import moving_clip

    row = find(judge)
    spec, notes = fitted(row, f"transformers:{qwen3_vl(tmp_path / 'tiny')}?device=cpu")
    assert notes == ()
    vlm = as_vlm(join_options(spec, ["max_tokens=8"]))  # its random weights never stop
    ratings = RowJudge.of(vlm, row, laws=("gravity",)).rate(
        Item("x", "A ball falls."), moving_clip(40, (64, 64))
    )
    assert ratings.scores == {}
    assert len(ratings.problems) == 2 * len(row.questions)
