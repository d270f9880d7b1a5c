"""``phyrefine replay``: stored runs judged anew; nothing is generated and nothing asked twice."""

import csv
import shutil
import sys

import pytest

from phyrefine import Candidates, Scenario, SelfRefiner
from phyrefine.cli import FAILED, main
from phyrefine.run import read_refinement, refinement_folders
from phyrefine.testing import moving_clip

CRITIC = """
import json
asked = []

def make():
    def critic(question):
        asked.append(question)
        if question.stage == "judge":
            return json.dumps({"score": len(asked), "reason": ""})
        return json.dumps({"violations": [], "observed": "", "moving": True, "corrected": "It moves on."})
    critic.identity = "strict critic"
    return critic

class Length:
    name = "length"
    def score(self, scenario, clip):
        return float(len(clip)) + float(clip.frames.mean()) / 1000

class Prose:
    def ask(self, question):
        from phyrefine.types import Answer
        return Answer("It looks fine.")

class Nothing:
    pass
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    pytest.importorskip("torch")
    from phyrefine.refine.convergence import MaxLoops

    folder = tmp_path_factory.mktemp("made") / "run"
    scenario = Scenario("A bright dot moves.", moving_clip(8), seconds=0.5, name="dot")
    SelfRefiner(
        "world", "world", "world", run_dir=folder, convergence=MaxLoops(1),
        candidates=Candidates(seeds=(0, 1)), ensemble="last",
    ).refine(scenario)  # fmt: skip
    return folder


@pytest.fixture
def finished(made, tmp_path, monkeypatch):
    (tmp_path / "my_critic.py").write_text(CRITIC)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_critic", raising=False)
    return shutil.copytree(made, tmp_path / "run")


@pytest.mark.slow
def test_critic_rule_and_selector_decide_anew_without_generating(
    finished, tmp_path, capsys, monkeypatch
):
    from phyrefine.world.generator.video_generator import WorldGenerator

    monkeypatch.setattr(WorldGenerator, "generate", lambda *_: pytest.fail("a clip was made"))
    out = tmp_path / "again"
    before = (next(refinement_folders(finished)) / "refinement.json").read_bytes()
    words = ["replay", str(finished), "--critic", "my_critic:make", "--vlm", "my_critic:make",
             "--ensemble", "judge", "--rule", "clean", "--out", str(out)]  # fmt: skip
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "judge" in told
    again = read_refinement(next(refinement_folders(out)))
    assert [len(attempt.critique.violations) for attempt in again.attempts] == [0, 0]
    assert again.choice.selector == "judge"
    assert again.choice.controls
    assert again.verdicts[0].parts[0].rule == "clean"
    assert (next(refinement_folders(finished)) / "refinement.json").read_bytes() == before
    import my_critic

    count = len(my_critic.asked)
    assert count > 0
    assert main([*words[:-1], str(tmp_path / "third")]) == 0
    assert len(my_critic.asked) == count  # the run's store has every reply
    assert main(["report", str(out)]) == 0
    capsys.readouterr()
    assert main(words) == FAILED
    assert "holds a run already" in capsys.readouterr().err


def test_a_critic_without_a_usable_word_is_an_error(finished, capsys):
    assert main(["replay", str(finished), "--critic", "my_critic:Prose"]) == FAILED
    assert "said nothing usable of any of 2 clips" in capsys.readouterr().err


def test_people_choose(finished, tmp_path, capsys):
    from phyrefine.rating.answers import Rating, RatingLog
    from phyrefine.rating.study import make_study

    study = make_study(tmp_path / "study", [finished])
    with RatingLog(tmp_path / "study", study, "ann") as log:
        for trial in log.trials:
            first = study.by_id[trial.left].key < study.by_id[trial.right].key
            log.add(Rating(trial.number, trial.left, trial.right, "left" if first else "right"))
    assert main(["replay", str(finished), "--people", str(tmp_path / "study")]) == 0
    assert "people (HUMAN)" in capsys.readouterr().out


def test_every_clip_is_scored_by_ones_own_scorer(finished, tmp_path, capsys):
    words = ["replay", str(finished), "--score", "my_critic:Length", "--score", "least_motion"]
    assert main([*words, "--out", str(tmp_path / "scored")]) == 0
    with (tmp_path / "scored" / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["clip"] for row in rows] == ["0.0", "0.1", "1.0", "1.1"]
    done = read_refinement(next(refinement_folders(finished)))
    assert float(rows[0]["my_critic:Length"]) == pytest.approx(
        len(done.attempts[0].clip) + done.attempts[0].clip.frames.mean() / 1000
    )
    assert float(rows[0]["least_motion"]) <= 0
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["--ensemble", "judge", "--people", "x"], "not by both"),
        (["--critic", "world", "--rule", "clean", "--rule", "cycle"], "pass one --rule"),
        (["--out", "somewhere"], "keeps nothing without"),
        (["--ensemble", "best"], "No ensemble 'best'"),
        (["--score", "my_critic:Nothing"], "which scores no clips"),
        (["--people", "nowhere"], "holds no study"),
    ],
)
def test_what_cannot_be_is_told(finished, capsys, words, match):
    assert main(["replay", str(finished), *words]) == FAILED
    assert match in capsys.readouterr().err
