"""The GPU kit: every step on tiny shapes, results that survive a stop, and what it may import."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

KIT = Path(__file__).parents[2] / "benchmarks" / "gpu"
# What a bare machine with torch and numpy lacks.
ABSENT = ("attrs", "attr", "av", "cattrs", "diffusers", "phyrefine", "safetensors", "transformers")


@pytest.fixture
def steps(monkeypatch):
    monkeypatch.syspath_prepend(str(KIT))
    import steps

    yield steps
    del sys.modules["steps"]


def run(out, *words, start=(str(KIT / "kit.py"),)):
    command = [sys.executable, *start, "--out", str(out), "--cpu-smoke", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads((out / "results.json").read_text())


@pytest.mark.slow
def test_every_step_runs_tiny(tmp_path):
    found = run(tmp_path)
    names = "kernels network parity clips autoencoder memory families plans compile".split()
    assert set(names) < set(found)
    assert found["parity"]["samplers float32"]["passed"]
    assert found["families"]["cogvideox-i2v, float32, fast"]["most"] == 0
    assert found["plans"]["tiny, fast"]["passed"]
    assert found["network"]["one chunk, 480x832, fp8"]["finite"]


@pytest.mark.slow
def test_kernels_need_torch_and_numpy_alone(tmp_path):
    block = (
        "import sys\n"
        "class Absent:\n"
        f"    def find_spec(self, name, path=None, target=None, absent={ABSENT}):\n"
        "        if name.partition('.')[0] in absent:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"import runpy; sys.path.insert(0, {str(KIT)!r})\n"
        f"runpy.run_path({str(KIT / 'kit.py')!r}, run_name='__main__')"
    )
    found = run(tmp_path, "--kernels-only", start=("-c", block))
    assert list(found) == ["machine", "kernels"]
    assert "matmul bfloat16" in found["kernels"]


@pytest.mark.slow
def test_a_failure_is_a_result_and_the_same_command_goes_on(steps, tmp_path):
    results = steps.Results(tmp_path / "results.json")
    made = []

    def broken():
        raise RuntimeError("no kernel")

    def step(second):
        yield "first", lambda: made.append("first") or {"s": 1.0}
        yield "second", second
        yield "third", lambda: made.append("third") or {"passed": False}

    results.run("step", step(broken), limit=60)
    assert results.failures() == ["step/second: RuntimeError: no kernel", "step/third: not passed"]
    again = steps.Results(tmp_path / "results.json")
    again.run("step", step(lambda: made.append("second") or {"s": 2.0}), limit=60)
    assert made == ["first", "third", "second"]
    assert again.held["step"]["second"] == {"s": 2.0}
    assert again.failures() == ["step/third: not passed"]


def test_no_measurement_begins_after_the_limit_and_a_broken_step_is_told(steps, tmp_path):
    results = steps.Results(tmp_path / "results.json")
    results.run("step", iter([("first", dict)]), limit=-1)
    assert results.held["step"]["stopped"].startswith("before first")

    def broken():
        raise ImportError("no diffusers")
        yield

    results.run("other", broken(), limit=60)
    assert results.failures() == ["other/setup: ImportError: no diffusers"]


@pytest.mark.slow
def test_measurements_can_be_picked_by_name(steps, tmp_path):
    results = steps.Results(tmp_path / "results.json")
    results.run("step", iter([("fp8, 480", dict), ("fp8, 720", dict)]), limit=60, match="fp8.*720")
    assert "fp8, 720" in results.held["step"]
    assert "fp8, 480" not in results.held["step"]


def test_an_error_is_relative_and_sees_nan(steps):
    one = torch.ones(4)
    assert steps.error(one * 1.5, one) == pytest.approx(0.5)
    assert not steps.error(one * float("nan"), one) <= 1e9
