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


@pytest.mark.slow
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


def test_spans_go_to_the_programs_own_provider(words, monkeypatch):
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    from opentelemetry import trace
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    assert main([*words, "--track", "otel"]) == 0
    assert "refine dot" in {span.name for span in exporter.get_finished_spans()}


def test_what_is_missing_is_one_line(words, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert main([*words, "--track", "wandb"]) == FAILED
    assert "pip install wandb" in capsys.readouterr().err
    assert main([*words, "--track", "paper"]) == USAGE


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_sweep_is_a_run_per_combination(folder, monkeypatch):
    multiplexer = pytest.importorskip("tensorboard.backend.event_processing.event_multiplexer")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.chdir(folder)
    assert main(["sweep", "experiment.toml", "--track", "tensorboard"]) == 0
    logs = multiplexer.EventMultiplexer().AddRunsFromDirectory(str(folder / "runs/tensorboard"))
    logs.Reload()
    assert len(logs.Runs()) == 4
    assert {len(logs.Scalars(run, "result/attempts")) for run in logs.Runs()} == {2}
