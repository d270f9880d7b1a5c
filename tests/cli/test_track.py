"""``--track``: what a command makes, in a tracker."""

import sys

import pytest
import test_experiments

from phyrefine.cli import FAILED, USAGE, main

folder = test_experiments.folder  # with backends


@pytest.fixture
def words(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.chdir(folder)
    return ["run", "dot.mkv", "-d", "A dot moves.", "--vlm", "backends:watcher", "--llm",
            "backends:writer", "--generator", "backends:dot", "--loops", "1", "--ensemble", "last",
            "--prefix-seconds", "0.5", "--seconds", "0.5", "--out", "runs/dot"]  # fmt: skip


@pytest.mark.filterwarnings("default")  # of the tracker's own package
def test_run(words, folder):
    multiplexer = pytest.importorskip("tensorboard.backend.event_processing.event_multiplexer")
    for _ in range(2):  # the same command again goes on in the same run
        assert main([*words, "--track", "tensorboard"]) == 0
    logs = multiplexer.EventMultiplexer().AddRunsFromDirectory(str(folder / "runs/tensorboard"))
    logs.Reload()
    (run,) = logs.Runs()
    assert run.startswith("runs-dot-")
    assert [one.step for one in logs.Scalars(run, "attempt/violations")] == [1, 2]


def test_what_is_missing_is_one_line(words, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert main([*words, "--track", "wandb"]) == FAILED
    assert "pip install wandb" in capsys.readouterr().err
    assert main([*words, "--track", "paper"]) == USAGE
