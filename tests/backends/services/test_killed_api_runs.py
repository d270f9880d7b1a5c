"""SIGKILL at random times, over the wire: at most the call in flight is made again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

DRIVER = Path(__file__).parents[1] / "api_kill_driver.py"
pytestmark = pytest.mark.slow


def drive(folder, **options):
    words = [f"--{name}={value}" for name, value in options.items()]
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(folder), *words], capture_output=True, text=True,
        timeout=600, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [line.split() for line in (folder / "calls.log").read_text().splitlines()]


def outcomes(folder):
    """Every byte of what came out, by file; what it took is apart."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted((folder / "run" / "scenarios").rglob("*"))
        if path.is_file() and path.name != "usage.json"
    }


def check(lines):
    """The number of kills and of calls repeated, if those were in flight at a kill."""
    starts = [[]]
    for line in lines:
        if line == ["kill"]:
            starts.append([])
        else:
            starts[-1].append(tuple(line))
    last, repeated = {}, 0
    for index, calls in enumerate(starts):
        assert len(calls) == len(set(calls)), "asked twice without a kill"
        for call in calls:
            if call in last:
                repeated += 1
                assert starts[last[call]][-1] == call, f"{call} was paid for twice"
            last[call] = index
    kills = len(starts) - 1
    assert repeated <= kills
    return kills, repeated


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    lines = drive(folder, kills=0)
    assert {kind for kind, *_ in lines} == {"ask", "chunk"}
    return {tuple(line) for line in lines}, outcomes(folder)


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_run_repeats_at_most_the_call_in_flight(tmp_path, uninterrupted, seed):
    lines = drive(tmp_path, seed=seed, kills=40)
    kills, _ = check(lines)
    assert kills >= 6
    calls, files = uninterrupted
    assert {tuple(line) for line in lines if line != ["kill"]} == calls
    assert outcomes(tmp_path) == files
    assert not list(tmp_path.rglob("*.damaged"))
