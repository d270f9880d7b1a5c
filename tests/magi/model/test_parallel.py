import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from magi.goldens import FORWARD, SAMPLER

TESTS = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")
def test_two_processes_equal_one(tmp_path):
    answer = tmp_path / "answer.json"
    command = [sys.executable, "-m", "magi.parallel_worker"]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}",
        "OMP_NUM_THREADS": "1",
    }
    workers = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "store"), str(answer)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    notes = [worker.communicate(timeout=240)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], notes
    found = json.loads(answer.read_text(encoding="utf-8"))
    assert "Set ulysses_degree" in found.pop("ring")
    assert found.pop("cached heads") == 4
    assert len(found) >= 6
    for case, error in found.items():
        assert error < (SAMPLER if "chunk" in case else FORWARD), case
