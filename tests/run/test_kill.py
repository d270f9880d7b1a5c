"""SIGKILL at random times: finished calls are never made twice, and the result is the same."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from phyrefine.run import read_refinement, refinement_folders

DRIVER = Path(__file__).with_name("kill_driver.py")


def drive(folder, **options):
    words = [f"--{name}={value}" for name, value in options.items()]
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(folder), *words], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [line.split() for line in (folder / "calls.log").read_text().splitlines()]


def outcomes(folder):
    """Every byte of what came out, by file; what it took is apart."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted((folder / "run" / "scenarios").rglob("*"))
        if path.is_file() and path.name != "usage.json"
    }


def check(lines, workers):
    """How often it was killed, if only what a worker had in hand at a kill was done again."""
    kills, begun_in, in_hand = 0, {}, {}
    for kind, *words in lines:
        if kind == "kill":
            kills += 1
        elif kind == "begin":
            name, worker = words
            if name in begun_in:
                before = begun_in[name]
                assert before < kills, f"{name} was asked twice without a kill"
                # The last call a worker began may have ended without reaching the disk.
                assert name in in_hand[before].values(), f"{name} was paid for twice"
            begun_in[name] = kills
            in_hand.setdefault(kills, {})[worker] = name
    assert all(len(calls) <= workers for calls in in_hand.values())
    repeated = sum(kind == "begin" for kind, *_ in lines) - len(begun_in)
    assert repeated <= workers * kills
    return kills


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    lines = drive(folder, kills=0)
    assert Counter(kind for kind, *_ in lines) == {"begin": 32, "end": 32}
    return outcomes(folder)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_killed_again_and_again(tmp_path, uninterrupted, workers):
    lines = drive(tmp_path, workers=workers, seed=workers, kills=8)
    assert check(lines, workers) >= 6
    assert outcomes(tmp_path) == uninterrupted
    assert [
        len(read_refinement(folder).attempts) for folder in refinement_folders(tmp_path / "run")
    ]
    assert not list(tmp_path.rglob("*.damaged"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_killed_very_often(tmp_path, uninterrupted, seed):
    lines = drive(tmp_path, workers=1 + seed % 3, seed=seed, kills=60)
    # How many kills fall before it is done depends on the machine: 13 and more were seen.
    assert check(lines, 1 + seed % 3) >= 8
    assert outcomes(tmp_path) == uninterrupted
    assert not list(tmp_path.rglob("*.damaged"))
