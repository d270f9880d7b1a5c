"""``ls``, ``show``, ``compare``, ``export`` and ``gc`` on runs that are there."""

import csv
import json
import shutil
import zipfile

import pytest
from made_runs import SCENES, refiner
from test_refiner import Watcher

from phyrefine.cli import FAILED, USAGE, main
from phyrefine.errors import RateLimitedError


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """``runs/a`` of three scenarios, ``runs/deep/b`` of two of them, one failed."""
    folder = tmp_path_factory.mktemp("commands") / "runs"
    refiner(folder / "a").refine_many(SCENES[:3])
    vlm = Watcher(fail_at=2, error=RateLimitedError("slow down"))
    refiner(folder / "deep" / "b", vlm=vlm).refine_many(SCENES[:2], workers=1)
    return folder


def told(capsys):
    return " ".join(capsys.readouterr().out.split())


def test_ls_finds_runs_at_any_depth(runs, capsys, monkeypatch):
    monkeypatch.chdir(runs.parent)
    assert main(["ls"]) == 0
    said = told(capsys)
    assert "a run ended 3 of 3" in said
    assert "deep/b run ended 1 of 2 1" in said
    assert main(["ls", str(runs), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["run"]: (row["done"], row["failed"]) for row in rows} == {
        "a": (3, 0),
        "deep/b": (1, 1),
    }
    assert main(["ls", str(runs / "a" / "store")]) == FAILED
    assert "There is no run in" in capsys.readouterr().err


def test_show_a_run_and_one_scenario(runs, capsys):
    assert main(["show", str(runs / "deep" / "b")]) == 0
    said = told(capsys)
    assert "vlm watcher, llm writer, generator moving-dot" in said
    assert "rate_limit" in said
    assert main(["show", str(runs / "a"), "--scenario", "scene 1"]) == 0
    said = told(capsys)
    assert "Prompt of attempt 1: A dot moves. The object" in said
    assert "Stopped by loop_limit" in said
    assert main(["show", str(runs / "a"), "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6
    assert main(["show", str(runs / "a"), "--scenario", "nobody"]) == FAILED
    assert "no finished scenario 'nobody'" in capsys.readouterr().err


def test_show_tells_of_a_damaged_manifest(runs, tmp_path, capsys, caplog):
    shutil.copytree(runs / "deep" / "b", tmp_path / "b")
    (tmp_path / "b" / "manifest.json").write_text('{"bad')
    assert main(["show", str(tmp_path / "b")]) == 0
    assert "manifest.json" in caplog.text
    assert "rate_limit" in capsys.readouterr().out


def test_compare_is_the_python_function(runs, capsys, tmp_path):
    import phyrefine

    a, b = runs / "a", runs / "deep" / "b"
    table = tmp_path / "t.csv"
    words = ["compare", str(a), str(b), "--measure", "attempts", "--csv", str(table)]
    assert main([*words, "--html", str(tmp_path / "t.html")]) == 0
    said = capsys.readouterr().out
    expected = phyrefine.compare({"a": a, "b": b}, measures={"attempts": lambda r: len(r.attempts)})
    assert str(expected) in said
    assert table.read_text() == expected.to_csv()
    (row,) = csv.DictReader(table.read_text().splitlines())
    assert row["difference"] == "-0.5"  # one of two scenarios failed after its first attempt
    assert main(["compare", str(a), str(b), "--measure", "beauty"]) == FAILED
    assert "violations, severity" in capsys.readouterr().err


def test_export_in_every_form(runs, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for form in ("csv", "zip", "hf-dataset"):
        assert main(["export", str(runs / "a"), "--to", form]) == 0
    assert "6 clips of 3 scenarios" in told(capsys)
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 7
    with zipfile.ZipFile(tmp_path / "a.zip") as bundle:
        assert bundle.testzip() is None
    assert len(list((tmp_path / "a-dataset" / "videos").iterdir())) == 6
    assert main(["export", str(runs / "a"), "--to", "csv", "--store"]) == FAILED
    assert main(["export", str(runs / "a"), "--to", "xml"]) == USAGE


def test_gc_deletes_nothing_unless_it_is_named(runs, capsys):
    run = runs / "a"
    (run / "x.damaged").write_bytes(b"1" * 2_000_000)
    before = sorted(run.rglob("*"))
    assert main(["gc", str(run)]) == 0
    said = told(capsys)
    assert "leftovers a 1 2.0 nothing: parts of killed writes" in said
    assert "Nothing was deleted" in said
    assert sorted(run.rglob("*")) == before
    assert main(["gc", str(run), "--delete", "leftovers"]) == 0
    assert "Deleted leftovers" in told(capsys)
    assert sorted(run.rglob("*")) == [path for path in before if path.name != "x.damaged"]
    assert main(["gc", str(run), "--delete", "everything"]) == USAGE
