"""``phyrefine rate`` from the words to the tables."""

import http.client
import json
import re
import subprocess
import sys

import pytest
from attrs import evolve

from phyrefine.cli import main
from phyrefine.run import FolderStore
from phyrefine.run.results import folder_name, write_refinement
from phyrefine.testing import moving_clip
from phyrefine.types import Attempt, Candidate, Choice, Pick, Prompt, Refinement, Scenario


@pytest.fixture
def run(tmp_path):
    clips = [moving_clip(8), evolve(moving_clip(8), frames=255 - moving_clip(8).frames)]
    attempts = tuple(
        Attempt(index, Prompt("p"), (Candidate(clip),), baseline=index == 0)
        for index, clip in enumerate(clips)
    )
    one = Refinement(Scenario("A dot moves.", seconds=1, name="dot"), attempts,
                     Choice(Pick(1), "judge", "best", {"0.0": 0.0, "1.0": 1.0}))  # fmt: skip
    folder = tmp_path / "run"
    write_refinement(
        folder / "scenarios" / folder_name(one.scenario), one, FolderStore(folder / "store")
    )
    return folder


@pytest.mark.slow
def test_it_serves_stores_and_counts(run, tmp_path, capsys):
    out = tmp_path / "study"
    words = [sys.executable, "-m", "phyrefine", "rate", str(run), "--out", str(out)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        host, port, token = re.search(
            r"http://(.+?):(\d+)/(.+?)/", process.stdout.readline()
        ).groups()
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        connection.request("GET", f"/{token}/")
        shown = connection.getresponse().read().decode()
        told = json.loads(re.search(r'id="study">(.*?)</script>', shown).group(1))
        [trial] = told["trials"]
        body = json.dumps(
            {"trial": 0, "left": trial["left"], "right": trial["right"], "answer": "left"}
        )
        connection.request("POST", f"/{token}/answers", body, {"Content-Type": "application/json"})
        assert connection.getresponse().read() == b'{"stored": 1}'
        connection.request("POST", f"/{token}/finish")
        connection.getresponse().read()
        connection.close()
        printed = process.stdout.read()
    assert process.returncode == 0
    assert "HUMAN RATINGS" in printed
    assert re.search(r"judge +[01]", printed)
    assert token not in (out / "study.json").read_text()
    assert main(["rate", "--out", str(out), "--results"]) == 0
    assert "plain description" in capsys.readouterr().out
    assert (out / "ratings.csv").read_text().count("\n") == 2


def test_rules_that_no_run_recorded_are_held_against_people(run, tmp_path, capsys):
    from phyrefine.rating.answers import Rating, RatingLog
    from phyrefine.rating.study import make_study

    out = tmp_path / "study"
    study = make_study(out, [run])
    with RatingLog(out, study, "ann") as log:
        [trial] = log.trials
        log.add(Rating(0, trial.left, trial.right, "left"))
    words = ["rate", "--out", str(out), "--results", "--rule", "most_motion", "--rule", "last"]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "most_motion" in told
    assert (out / "agreement.csv").read_text().count("\nmost_motion,") == 1
    assert re.search(r"\nlast,0.0,0,,,,[01],1\n", (out / "agreement.csv").read_text())
    assert main(["rate", "--out", str(out), "--results", "--rule", "best"]) == 1
    assert "No ensemble 'best'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["vjepa2", "kinematics:facebook/dinov2-large?layer=12", "last"])
def test_rules_with_weights_pass_the_check_unloaded(name):
    from phyrefine.cli.asking.judges import check_rules

    check_rules([name])


def test_a_page_to_send_and_what_cannot_be_done(run, tmp_path, capsys):
    out, page = tmp_path / "study", tmp_path / "p.html"
    assert main(["rate", str(run), "--out", str(out), "--page", str(page), "--rater", "bob"]) == 0
    assert "for bob: 1 pairs" in capsys.readouterr().out
    assert "data:video/mp4;base64," in page.read_text()
    for words, match in (
        (["--out", str(tmp_path / "new"), "--results"], "holds no study"),
        (["--out", str(out), "--add", str(tmp_path / "no.csv")], "There is no file"),
        ([str(run), "--out", str(out), "--rater", "../x"], "A rater's name"),
        ([str(tmp_path), "--out", str(tmp_path / "n")], "no finished scenario"),
    ):
        assert main(["rate", *words]) == 1
        assert match in capsys.readouterr().err
