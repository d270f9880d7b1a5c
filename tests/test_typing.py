"""The public types as a user's type checker sees them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GOOD = """
from collections.abc import Sequence

from phyrefine import (
    Answer, Attempt, Budget, Candidates, Clip, Method, Prompt, Question, Scenario, SelfRefiner, Shot,
    Usage, compare, identified,
)
from phyrefine.testing import MovingDot
from phyrefine.types import Verdict

def vlm(question: Question) -> str:
    return "text"

async def llm(question: Question) -> Answer:
    return Answer("text")

def generate(shot: Shot) -> list[object]:
    return []

def listen(event: str, details: object) -> None: ...

with SelfRefiner(vlm, llm, generate, listeners=[listen]) as refiner:
    refined = refiner.refine(Scenario("A ball falls."))
    words: str = refined.stopped_by
clip = Clip.read("falling.mp4")
Scenario("A ball falls.", clip, seconds=3, fps=24, size=(480, 832), name="fall")
Shot(Prompt("A ball falls.", negative="blur"), clip, seconds=3.0, fps=24.0, seed=1)
frames: int = len(clip.resample(8).resize(48, 64))
Usage(1, {"input": 3})
compare({"a": "runs/a", "b": "runs/b"}).to_csv("table.csv")

class Few:
    def decide(self, history: Sequence[Attempt]) -> Verdict:
        return Verdict(len(history) > 2, "few", "enough")

SelfRefiner(
    "world", "world", MovingDot(), convergence=Few(), ensemble="consensus+judge",
    candidates=Candidates(steps=(16, 32), seeds=(0, 1)), budget=Budget(usd=1.0), method=Method(),
    run_dir="runs/x",
)
SelfRefiner("world", "world", ["world", MovingDot()])
SelfRefiner.paper(identified(vlm, "v1"), llm, generate)
"""
BAD = (
    "SelfRefiner(3, 4, 5)",
    "SelfRefiner(vlm, llm, 3.0)",
    "SelfRefiner(None, llm, generate)",
    "SelfRefiner(vlm, llm, generate, listeners=[3])",
    "SelfRefiner(vlm, llm, generate).refine('A ball')",
)


PROGRAM = GOOD + "\n".join(f"{line}  # wrong" for line in BAD) + "\n"


def check(refused):
    """A checker's line numbers of what it refuses must be those of the wrong calls, no others."""
    lines = PROGRAM.splitlines()
    assert {lines[number - 1] for number in refused} == {f"{line}  # wrong" for line in BAD}


@pytest.mark.slow
def test_mypy_accepts_right_calls_and_refuses_wrong_ones(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "program.py").write_text(PROGRAM)
    told = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(tmp_path / "program.py")],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    ).stdout  # fmt: skip
    check({int(line.split(":")[1]) for line in told.splitlines() if ": error:" in line})


@pytest.mark.slow
def test_pyright_accepts_right_calls_and_refuses_wrong_ones(tmp_path):
    pytest.importorskip("pyright", reason="pyright is not installed")
    if shutil.which("node") is None:
        pytest.skip("pyright from PyPI would download Node.js, and no network is used here")
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"]
    told = subprocess.run(
        [*command, "program.py"], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
    )  # fmt: skip
    found = json.loads(told.stdout)["generalDiagnostics"]
    check({one["range"]["start"]["line"] + 1 for one in found if one["severity"] == "error"})
