"""An experiment that is killed and started again gives the numbers of one that was not."""

import sys

import pytest

from benchmarks.world import __main__ as command
from benchmarks.world import records, table

OPTIONS = ["--variants", "truthful", "--scenes", "2", "--noise-seeds", "2", "--steps", "1",
           "--prompts", "plain", "--budgets", "1", "2", "--workers", "1", "--arms", "one sample",
           "random", "most motion", "oracle (GROUND TRUTH)"]  # fmt: skip


def run(monkeypatch, folder):
    monkeypatch.setattr(sys, "argv", ["world", "evaluate", "--out", str(folder), *OPTIONS])
    command.main()
    return records.load(folder / "results.jsonl")


@pytest.mark.slow
def test_killed_and_resumed(tmp_path, monkeypatch, capsys):
    whole = run(monkeypatch, tmp_path)
    markdown = (tmp_path / "results.md").read_text()
    path = tmp_path / "results.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3]) + lines[3][:40])  # killed while it wrote the fourth
    assert len(records.load(path)) == 3
    resumed = run(monkeypatch, tmp_path)
    assert sorted(r.key for r in resumed) == sorted(r.key for r in whole)
    assert {r.key: r.values for r in resumed} == {r.key: r.values for r in whole}
    assert (tmp_path / "results.md").read_text() == markdown
    assert "| most motion |" in capsys.readouterr().out


@pytest.mark.slow
def test_a_second_run_computes_nothing(tmp_path, monkeypatch):
    first = run(monkeypatch, tmp_path)
    monkeypatch.setattr(command, "evaluate", lambda *_: pytest.fail("asked again"))
    assert run(monkeypatch, tmp_path) == first


def record(scene, arm, score, **more):
    return records.Record(scene, "drop", "truthful", "w", "p", arm, 4, {"score": score, **more})


def test_the_table_of_a_hand_computed_case():
    found = table.tables(
        [record(scene, arm, score + scene)
         for arm, score in (("random", 10.0), ("one sample", 10.0), ("mine", 13.0),
                            ("oracle (GROUND TRUTH)", 20.0))
         for scene in (1, 2)]
    )  # fmt: skip
    rows = {row["arm"]: row for row in found[0]["rows"]}
    assert rows["mine"]["score"] == {"mean": 14.5, "low": 14.0, "high": 15.0, "scenes": 2}
    assert rows["mine"]["against one sample"]["mean"] == 3.0
    assert rows["mine"]["against one sample"]["low"] == 3.0
    assert rows["mine"]["share"] == pytest.approx(0.3)
    assert rows["mine"]["against random in the moving half"] is None
    assert "| mine | 14.5 [14.0, 15.0] | +3.0 [3.0, 3.0] | - | 30% |" in table.markdown(found)


def test_repairs_are_counted_over_the_clips_that_began_wrong():
    rows = table.rows([record(1, "loop", 1.0, wrong=0.0, first_wrong=1.0),
                       record(2, "loop", 1.0, wrong=1.0, first_wrong=1.0),
                       record(3, "loop", 1.0, wrong=0.0, first_wrong=0.0)])  # fmt: skip
    assert rows[0]["repaired"] == {"right": 1.0, "of": 2}
