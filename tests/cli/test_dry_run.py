"""``--dry-run`` of run, bench and sweep: what it would take, and nothing made."""

import pytest
import test_experiments

from phyrefine.cli import FAILED, USAGE, main

folder = test_experiments.folder  # with an experiment file


def told(capsys):
    return " ".join(capsys.readouterr().out.split())


def test_run_says_what_it_would_take_and_makes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["run", "-d", "A ball falls.", "--vlm", "gemini", "--llm", "openai", "--generator",
             "diffusers:NOWHERE", "--ensemble", "judge", "--loops", "3", "--seeds", "0,1"]  # fmt: skip
    rates = ["--seconds-per-clip", "90", "--usd-per-question", "0.02", "--usd-per-gpu-hour", "3"]
    assert main([*words, "--dry-run", *rates]) == 0
    said = told(capsys)
    # 4 prompts of 2 seeds; predict, two looks of 4 clips, 8 of the judge; compose, repair.
    assert "at most 8 clips, 17 VLM questions (8 for the choice) and 7 LLM questions" in said
    assert "GPU hours: 0.2 (90 s per clip, stated)" in said
    assert "VLM questions $0.34, LLM questions $0.14, GPU hours $0.60" in said
    assert list(tmp_path.iterdir()) == []  # neither a model nor a key was there
    assert main([*words, *rates]) == FAILED
    assert "belongs to --dry-run" in capsys.readouterr().err
    assert main([*words, "--dry-run", "--usd-per-clip", "-1"]) == USAGE


@pytest.mark.parametrize("how", [["--paper"], ["--best-of", "8"]])
def test_other_ways_of_running_are_counted_too(how, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "-d", "A ball falls.", "--dry-run", *how]) == 0
    clips = {"--paper": "at most 4 clips", "--best-of": "at most 8 clips"}[how[0]]
    assert clips in told(capsys)


@pytest.mark.slow
def test_a_sweep_says_it_per_combination_and_in_all(folder, capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.chdir(folder)
    words = ["sweep", str(folder / "experiment.toml")]
    rates = ["--dry-run", "--seconds-per-clip", "36", "--usd-per-clip", "0.5"]
    assert main([*words, *rates, "--usd-per-question", "0.01"]) == 0
    before = capsys.readouterr().out
    assert not (folder / "out").exists()
    rows = [row.split() for row in before.splitlines() if row.startswith(("vlm=", "in all"))]
    counted = [[float(word) for word in row[-7:]] for row in rows]
    assert all(row[:2] == [2, 0] for row in counted[:-1])
    assert counted[-1] == pytest.approx([sum(column) for column in zip(*counted[:-1], strict=True)])
    clips = counted[-1][2]
    assert counted[-1][5] == pytest.approx(clips * 36 / 3600)
    assert main(words) == 0
    capsys.readouterr()
    assert main([*words, *rates]) == 0
    last = next(row for row in capsys.readouterr().out.splitlines() if row.startswith("in all"))
    scenarios, finished, clips, *_ = (float(word) for word in last.split()[2:])
    assert scenarios == finished
    assert clips == 0


def test_the_plan_of_a_cluster_is_said(folder, capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.chdir(folder)
    words = ["sweep", str(folder / "experiment.toml"), "--dry-run", "--seconds-per-clip", "36"]
    assert main([*words, "--ray", "auto", "--ray-generators", "4", "--ray-gpus", "2"]) == 0
    said = told(capsys)
    assert (
        "Plan: 4 generators on the Ray cluster at auto, 2 GPU each; 10 scenarios in progress at "
        "once. At least 0.04 hours." in said
    )
    assert "in all 8 0 16" in said
    # Twice the GPUs of 16 clips of 36 seconds.
    assert "0.32" in next(row for row in said.split("in all")[1:])


def test_a_cluster_says_how_many_workers_it_holds(monkeypatch):
    from types import SimpleNamespace

    from phyrefine.run.cluster import ray_cluster
    from phyrefine.run.cluster.flags import RayFlags

    asked = []
    ray = SimpleNamespace(cluster_resources=lambda: {"GPU": 6.0, "CPU": 64.0}, shutdown=asked.clear)
    monkeypatch.setattr(ray_cluster, "connect", lambda address, _: asked.append(address) or True)
    monkeypatch.setattr(ray_cluster, "host_on_cluster", lambda: None)
    monkeypatch.setattr(ray_cluster, "ray_module", lambda: ray)
    assert RayFlags().workers() is None
    found = RayFlags(ray=("ray://head:10001",)).workers()
    assert (found.generators, found.gpus_each, found.in_flight) == (6, 1.0, 14)
    assert found.where == "the Ray cluster at ray://head:10001"
    assert RayFlags(ray=("auto",), ray_gpus=2.0).workers().generators == 3
    assert asked == []  # it has left the cluster again
    stated = RayFlags(ray=(), ray_generators=2, ray_in_flight=5).workers()
    assert (stated.generators, stated.in_flight) == (2, 5)
    assert asked == []  # nobody was asked
