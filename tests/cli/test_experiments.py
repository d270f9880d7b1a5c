"""Own prompts and knowledge, sweeps from a file, and a second critic on stored clips."""

import csv
import json

import pytest
from test_refiner import SCENE, Watcher, Writer

from phyrefine import Method, SelfRefiner
from phyrefine.cli import FAILED, main
from phyrefine.errors import InvalidInputError, RunMismatchError
from phyrefine.refine import prompts
from phyrefine.refine.convergence import MaxLoops
from phyrefine.run.comparing.critics import recritique
from phyrefine.run.following.follower import Follower
from phyrefine.run.runner import read_manifest
from phyrefine.testing import MovingDot, moving_clip


class Reader(Watcher):
    def __init__(self):
        super().__init__()
        self.questions = []

    def ask(self, question):
        self.questions.append(question)
        return super().ask(question)


def refine(method, **settings):
    vlm = Reader()
    settings = {"convergence": MaxLoops(1), "ensemble": "judge", **settings}
    SelfRefiner(vlm, Writer(), MovingDot(), method=method, **settings).refine(SCENE)
    return vlm.questions


def test_knowledge_of_ones_own_reaches_every_stage(tmp_path):
    (tmp_path / "k.md").write_text("# Magic\nDots obey wizards.\n\n# Humor\nDots are funny.\n")
    for given in (tmp_path / "k.md", str(tmp_path / "k.md"), (tmp_path / "k.md").read_text()):
        asked = refine(Method(knowledge=given))
        assert {question.stage for question in asked} == {"predict", "critique", "judge"}
        for question in asked:
            assert "Dots obey wizards." in question.instruction
            assert "thermodynamics" not in question.instruction.lower()
    assert "wizards" not in refine(Method())[0].instruction  # and it is gone afterwards


def test_prompts_of_ones_own_replace_the_packages_file_by_file(tmp_path, capsys):
    assert main(["prompts", "--copy", str(tmp_path / "mine")]) == 0
    assert f"Copied {len(prompts.names())} files" in capsys.readouterr().out
    mine = tmp_path / "mine"
    (mine / "critique.md.jinja").write_text("You are kind. {{ knowledge }}")
    (mine / "physics" / "optics.md").write_text("Light is slow.")
    main(["prompts", "--copy", str(mine)])
    assert "were there and stay as they are" in " ".join(capsys.readouterr().out.split())
    asked = refine(Method(prompts=mine))
    assert any(q.instruction.startswith("You are kind.") for q in asked if q.stage == "critique")
    assert all("Light is slow." in question.instruction for question in asked)
    assert main(["prompts"]) == 0
    assert "critique.md.jinja" in capsys.readouterr().out


def test_other_prompts_are_another_experiment_and_a_moved_folder_is_not(tmp_path):
    for name in ("one", "two"):
        prompts.copy(tmp_path / name)
    refine(Method(prompts=tmp_path / "one"), run_dir=tmp_path / "run")
    refine(Method(prompts=tmp_path / "two"), run_dir=tmp_path / "run")  # the same texts
    told = read_manifest(tmp_path / "run").spec.prompts
    assert told == prompts.asset_digests()
    (tmp_path / "two" / "critique.md.jinja").write_text("{{ knowledge }}")
    with pytest.raises(RunMismatchError, match="critique"):
        refine(Method(prompts=tmp_path / "two"), run_dir=tmp_path / "run")
    with pytest.raises(RunMismatchError, match="knowledge"):
        refine(Method(knowledge="# Magic\nYes."), run_dir=tmp_path / "run")


def test_what_cannot_be_used_is_said_at_once(tmp_path):
    for method, match in (
        ({"prompts": tmp_path / "nowhere"}, "no folder of prompts"),
        ({"knowledge": tmp_path / "nowhere.md"}, "no file of knowledge"),
        ({"knowledge": "nowhere.md"}, "no file of knowledge"),
        ({"knowledge": " \n "}, "holds no text"),
    ):
        with pytest.raises(InvalidInputError, match=match):
            Method(**method)
    (tmp_path / "critic.md.jinja").write_text("x")
    with pytest.raises(InvalidInputError, match=r"replaces no prompt.*critique\.md\.jinja"):
        Method(prompts=tmp_path)
    (tmp_path / "critic.md.jinja").rename(tmp_path / "predict.md.jinja")
    (tmp_path / "predict.md.jinja").write_text("{{ knowlege }}")
    with pytest.raises(InvalidInputError, match=r"'knowlege' is undefined.*given: knowledge"):
        refine(Method(prompts=tmp_path))


# -- sweeps --------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    moving_clip(24, (32, 32)).write(tmp_path / "dot.mkv")
    prompts.copy(tmp_path / "mine")
    (tmp_path / "mine" / "critique.md.jinja").write_text("You are kind. {{ knowledge }}")
    (tmp_path / "backends.py").write_text(
        "from test_refiner import Watcher, Writer\nfrom phyrefine.testing import MovingDot\n"
        "from attrs import evolve\n"
        "class Strict(Watcher):\n    identity = 'strict'\n"
        "def strict(model=None): return Strict()\ndef watcher(model=None): return Watcher()\n"
        "def writer(model=None): return Writer()\ndef dot(model=None): return MovingDot()\n"
    )
    (tmp_path / "experiment.toml").write_text(
        """
out = "out"
[[scenarios]]
description = "A dot moves."
video = "dot.mkv"
seconds = 0.5
[[scenarios]]
name = "second"
description = "A bright dot moves."
video = "dot.mkv"
seconds = 0.5
[fixed]
llm = "backends:writer"
generator = "backends:dot"
loops = 1
ensemble = "last"
[vary]
vlm = ["backends:watcher", "backends:strict"]
prompts = ["default", "mine"]
"""
    )
    return tmp_path


@pytest.mark.slow
def test_every_combination_in_one_table(folder, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(folder))
    assert main(["sweep", str(folder / "experiment.toml")]) == 0
    told = capsys.readouterr().out
    assert "4 of 4: vlm=backends:strict, prompts=" in told
    rows = list(csv.DictReader((folder / "out" / "table.csv").read_text().splitlines()))
    assert len(rows) == 2 * 4
    assert {row["scenario"] for row in rows} == {"dot", "second"}
    assert {row["stopped_by"] for row in rows} == {"loop_limit"}
    assert {row["violations"] for row in rows} == {"1.0"}
    assert len(list((folder / "out").glob("*/scenarios/*/refinement.json"))) == 8
    seen = Follower(folder / "out").look()
    assert (seen.kind, seen.planned, seen.counts) == ("sweep", 8, {"done": 8, "waiting": 0})
    # The same command again makes nothing twice.
    monkeypatch.setattr(MovingDot, "generate", lambda *_: pytest.fail("made again"))
    assert main(["sweep", str(folder / "experiment.toml")]) == 0


@pytest.mark.slow
def test_one_that_fails_does_not_stop_the_others(folder, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(folder))
    path = folder / "experiment.toml"
    path.write_text(path.read_text().replace('"backends:strict"', '"nowhere"'))
    assert main(["sweep", str(path)]) == FAILED
    assert "No backend called 'nowhere'" in " ".join(capsys.readouterr().out.split())
    assert len(list(csv.DictReader((folder / "out" / "table.csv").read_text().splitlines()))) == 4


@pytest.mark.slow
def test_searches_drafts_and_watching_vary_too(folder, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(folder))
    path = folder / "experiment.toml"
    text = path.read_text().replace('vlm = ["backends:watcher", "backends:strict"]', "")
    text = text.replace(
        'llm = "backends:writer"',
        """llm = "backends:writer"
vlm = "backends:watcher"
seeds = [0, 1]
watch = 2
redraw = true""",
    )
    text = text.replace(
        'prompts = ["default", "mine"]',
        """draft = ["none", "steps=2&finals=2"]
search = ["none", "chunks"]""",
    )
    path.write_text(text)
    assert main(["sweep", str(path)]) == FAILED
    told = " ".join(capsys.readouterr().out.split())
    assert "makes clips whole" in told  # the toy does not stream: the two searches say so
    rows = list(csv.DictReader((folder / "out" / "table.csv").read_text().splitlines()))
    assert {(row["draft"], row["search"]) for row in rows} == {
        ("none", "none"), ("steps=2&finals=2", "none")
    }  # fmt: skip
    records = [json.loads(one.read_text())
               for one in (folder / "out").glob("*/scenarios/*/refinement.json")]  # fmt: skip
    loops = [attempt for one in records for attempt in one["attempts"]
             if attempt["index"] == 1 and not attempt["final"]]  # fmt: skip
    assert all(len(one["candidates"]) == 2 for one in loops)
    assert all(one["candidates"][1]["seen"] is not None for one in loops)  # the critic saw both
    assert any(one["final"] for record in records for one in record["attempts"])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (("[vary]", "[varied]"), "Did you mean 'vary'"),
        (("loops = 1", "lops = 1"), "Did you mean 'loops'"),
        (('["default", "mine"]', '"mine"'), "must be a list"),
        (("loops = 1", 'vlm = "world"'), r"vlm stands in \[fixed\] and in \[vary\]"),
        (('name = "second"', 'name = "dot"'), "have one name"),
        (('description = "A dot moves."', ""), "no description"),
        (("[fixed]", "[fixed"), "is no TOML"),
    ],
)  # fmt: skip
def test_mistakes_in_the_file(folder, capsys, change, match):
    import re

    path = folder / "experiment.toml"
    path.write_text(path.read_text().replace(*change))
    assert main(["sweep", str(path)]) == FAILED
    said = capsys.readouterr().err
    assert re.search(match, said), said
    assert said.count("\n") == 1


def test_a_search_goes_around_a_generator_that_is_given(tmp_path):
    """As it does around one whose clips a cluster makes."""
    from phyrefine.cli.experiments.building import build
    from phyrefine.run.estimating.flags import STAND_INS
    from phyrefine.run.search import Backtracking
    from phyrefine.testing import StreamingDot

    settings = {
        "vlm": "x",
        "llm": "x",
        "generator": "x",
        "search": "backtracking",
        "draft": "steps=2",
    }
    made = build(settings, tmp_path, models=(Reader(), Writer(), StreamingDot()))
    assert isinstance(made.generators[0], Backtracking)
    assert isinstance(made.generators[0].generator, StreamingDot)
    assert made.draft is not None
    assert build(settings, tmp_path, models=STAND_INS).draft is None  # nothing is loaded


def test_a_second_critic_on_stored_clips(tmp_path):
    first = SelfRefiner(
        Watcher(), Writer(), MovingDot(), convergence=MaxLoops(2), ensemble="last"
    ).refine(SCENE)
    clean = {"observed": "", "moving": True, "violations": [], "corrected": "It moves."}
    second = recritique(first, lambda question: json.dumps(clean))
    assert [len(attempt.critique.violations) for attempt in first.attempts] == [1, 1, 1]
    assert [len(attempt.critique.violations) for attempt in second.attempts] == [0, 0, 0]
    assert second.video == first.video
    assert recritique(first.save(tmp_path / "kept"), Watcher()).attempts[0].critique.violations
