"""The public types as a user's type checker sees them."""

import subprocess
import sys

import pytest

GOOD = """
from phyrefine import Answer, Question, Scenario, SelfRefiner, Shot, identified
from phyrefine.testing import MovingDot

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


@pytest.mark.slow
def test_a_users_program_is_checked(tmp_path):
    pytest.importorskip("mypy")
    program = GOOD + "\n".join(f"{line}  # wrong" for line in BAD) + "\n"
    (tmp_path / "program.py").write_text(program)
    told = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(tmp_path / "program.py")],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    ).stdout  # fmt: skip
    lines = program.splitlines()
    wrong = {int(line.split(":")[1]) for line in told.splitlines() if ": error:" in line}
    assert {lines[number - 1] for number in wrong} == {f"{line}  # wrong" for line in BAD}, told
