import json

import pytest

from phyrefine import Candidates, Scenario, SelfRefiner
from phyrefine.cli import FAILED, main
from phyrefine.testing import moving_clip
from phyrefine.world.eye import WorldVLM


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    pytest.importorskip("torch")
    pytest.importorskip("pymunk")
    from phyrefine.cli.demo_scenes import make_sample
    from phyrefine.refine.convergence import MaxLoops

    drop = make_sample("drop", 1_000_000).scenario  # which the embedded judge can follow
    scenario = Scenario(drop.description, drop.prefix, seconds=1.0, name="dot")
    SelfRefiner(
        "world", "world", "world", run_dir=folder, convergence=MaxLoops(1),
        candidates=Candidates(seeds=(0, 1)), ensemble="judge",
    ).refine(scenario)  # fmt: skip
    return folder


@pytest.mark.slow
def test_rules_are_compared_with_truth_and_without(finished, tmp_path, capsys, monkeypatch):
    out = tmp_path / "table.json"
    words = ["scorers", str(finished), "--rule", "consensus", "--rule", "judge", "--out", str(out)]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "rho others" in told
    assert "rho truth" not in told
    keys = ("0.0", "0.1", "1.0", "1.1")
    (finished / "true_scores.json").write_text(
        json.dumps({"dot": dict(zip(keys, range(4), strict=True))})
    )
    asked = []
    original = WorldVLM.ask
    monkeypatch.setattr(WorldVLM, "ask", lambda self, q: asked.append(q) or original(self, q))
    assert main(words) == 0
    assert asked == []  # the run's own answers are used
    told = capsys.readouterr().out
    assert "rho truth" in told
    rows = {row["rule"]: row for row in json.loads(out.read_text())}
    assert rows["judge"]["questions"] == 1.0
    assert rows["best by truth (GROUND TRUTH)"]["gain"] == pytest.approx(1.5)
    assert rows["random"]["gain"] == 0.0


@pytest.mark.slow
def test_truth_may_be_videos_named_as_the_scenarios(finished, tmp_path, capsys):
    moving_clip(8).write(tmp_path / "dot.mkv")
    assert main(["scorers", str(finished), "--rule", "consensus", "--truth", str(tmp_path)]) == 0
    assert "rho truth" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["--truth", "nowhere"], "No such truth"),
        (["--rule", "best"], "No ensemble 'best'"),
    ],
)
def test_what_cannot_be_compared_is_told(finished, capsys, words, match):
    assert main(["scorers", str(finished), *words]) == FAILED
    assert match in capsys.readouterr().err


def test_true_scores_must_hold_every_clip(finished, tmp_path, capsys):
    for text, match in (('{"dot": {"0.0": 1}}', "lack 0.1"), ("[1]", "is no JSON of the form")):
        (tmp_path / "t.json").write_text(text)
        assert main(["scorers", str(finished), "--rule", "consensus", "--truth",
                     str(tmp_path / "t.json")]) == FAILED  # fmt: skip
        assert match in capsys.readouterr().err


@pytest.mark.slow
def test_best_of_on_the_command_line(tmp_path, capsys):
    moving_clip(8).write(tmp_path / "v.mkv")
    shared = ["run", str(tmp_path / "v.mkv"), "-d", "A bright dot moves.", "--prefix-seconds", "1",
              "--seconds", "1", "--out", str(tmp_path / "run")]  # fmt: skip
    assert main([*shared, "--best-of", "2", "--ensemble", "consensus+judge"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "at most 2 clips, 3 VLM questions (2 for the choice) and 1 LLM question" in told
    assert "Controls would take random: 0." in told
    assert main([*shared, "--best-of", "2", "--seeds", "1"]) == FAILED
    assert "--best-of says how many" in capsys.readouterr().err
