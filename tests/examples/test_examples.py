"""The examples do what they say: run as a reader runs them, offline."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, *arguments, cwd):
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_own_backend(tmp_path):
    said = run("02_own_backend.py", "out", cwd=tmp_path)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "own-backend" in page
    # The plain description's ball sticks; what the critic says of it makes a later one rebound.
    assert "Chosen: loop " in said
    assert "Stopped: clean" in said


@pytest.mark.slow
def test_many_machines(tmp_path):
    said = run("08_many_machines.py", "out", cwd=tmp_path)
    assert re.search("8 clips, made by [12] of 2 workers", said)
    assert "Results equal those of one process." in said


@pytest.mark.slow
def test_quickstart_notebook(tmp_path):
    from nbclient import NotebookClient

    notebook = nbformat.read(EXAMPLES / "01_quickstart.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    shown = [
        output.data
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "execute_result"
    ]
    # The clip, the refinement, the attempt and the table show themselves.
    assert sum("<video" in data.get("text/html", "") for data in shown) == 3
    assert any("<table" in data.get("text/html", "") for data in shown)
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert (tmp_path / "continuation.mp4").stat().st_size > 1_000


@pytest.mark.slow
def test_text_to_video_benchmark(tmp_path):
    said = run("06_text_to_video_benchmark.py", "--out", "out", cwd=tmp_path)
    assert "PhyGenBench. Evaluator: any VLM, by phyrefine's own question (openai:loopback" in said
    assert "NOT PhyGenEval" in said
    clips = list((tmp_path / "out" / "out" / "videos").rglob("output_video_*.mp4"))
    assert len(clips) == 8  # two prompts, plain and one loop, two seeds


@pytest.mark.slow
def test_the_scene_of_the_readme_gains_what_the_readme_says(tmp_path):
    readme = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True,
                          text=True, timeout=600, check=True)  # fmt: skip
    scores = ast.literal_eval(done.stdout.splitlines()[-1])
    told = re.search(r"scores (\d+) of 100.*?the score is (\d+)", readme, re.DOTALL)
    assert scores["0.0"] == pytest.approx(int(told[1]), abs=8)
    assert scores["1.0"] == pytest.approx(int(told[2]), abs=8)
    assert re.search(r"Plain description +\d+ +3 ", done.stdout)
    assert re.search(r"Loop 1 +\d+ +0 .*★", done.stdout)


def test_notebooks_are_committed_without_outputs():
    for path in EXAMPLES.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        for cell in notebook.cells:
            assert not cell.get("outputs"), path
            assert cell.get("execution_count") is None, path


@pytest.mark.slow
def test_follow(tmp_path):
    pytest.importorskip("tensorboard")
    for _ in range(2):  # again: it goes on
        assert "Wrote" in run("07_follow.py", "out", cwd=tmp_path)
    page = (tmp_path / "out" / "live.html").read_text(encoding="utf-8")
    assert "<b>3</b> done" in page
    assert page.count("<video") == 6
    (logged,) = (tmp_path / "out" / "logs").iterdir()
    assert len(list(logged.glob("events.out.tfevents.*"))) == 2
