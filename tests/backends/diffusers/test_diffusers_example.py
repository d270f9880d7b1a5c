"""``examples/04_cogvideox.py --tiny``, as a user runs it, twice."""

import runpy
from pathlib import Path

import pytest
import torch

from phyrefine.run.endings import FINISHED

EXAMPLE = Path(__file__).parents[3] / "examples" / "04_cogvideox.py"


@pytest.mark.slow
def test_the_example_runs_and_resumes(tmp_path, capsys, monkeypatch):
    main = runpy.run_path(str(EXAMPLE))["main"]
    words = [str(tmp_path), "--tiny", "--seconds", "2"]
    first = main(words)
    assert first.stopped_by in FINISHED
    assert {len(attempt.clip) for attempt in first.attempts} == {48}
    assert first.video.size == (90, 160)
    assert first.video.native.fps == 8.0
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert "Open " in capsys.readouterr().out

    def refuse(*args, **kwargs):
        raise AssertionError("a finished chunk was made again")

    monkeypatch.setattr(torch.nn.Module, "__call__", refuse)
    assert main(words).video == first.video
