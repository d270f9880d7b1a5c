"""The whole loop runs where the truth side does not exist and pymunk cannot be imported."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import phyrefine

pytest.importorskip("torch")

LOOP = """
import sys

class NoPhysicsEngine:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "pymunk" or name.startswith("phyrefine.world.truth"):
            raise ModuleNotFoundError(f"{name} does not exist here", name=name)

sys.meta_path.insert(0, NoPhysicsEngine())

from pathlib import Path

import numpy as np
import torch
import phyrefine

torch.set_num_threads(1)
here, frames = Path(sys.argv[1]), np.load(sys.argv[2])
assert Path(phyrefine.__file__).is_relative_to(here), phyrefine.__file__
assert not (Path(phyrefine.__file__).parent / "world" / "truth").exists()

from phyrefine import Scenario, SelfRefiner
from phyrefine.backends.world import BACKEND
from phyrefine.refine.convergence import MaxLoops
from phyrefine.video.clip import Clip

scenario = Scenario("A red rubber ball is let go above the floor.", Clip(frames, 24.0), seconds=2.0)
refiner = SelfRefiner(
    BACKEND.vlm(None), BACKEND.llm(None), BACKEND.generator(None, steps=2), convergence=MaxLoops(2)
)
result = refiner.refine(scenario)
loops = [attempt for attempt in result.attempts if not attempt.baseline]
assert len(loops) == 2, result
assert result.choice is not None
assert all(len(attempt.candidates[0].clip) == 48 for attempt in loops)
assert all(attempt.critique is not None for attempt in loops)
assert "red ball" in loops[0].prompt.text
assert len(loops[0].prompt.text) > len(scenario.description)
loaded = [name for name in sys.modules if name.startswith(("pymunk", "phyrefine.world.truth"))]
assert not loaded, loaded
print("loops:", len(loops))
"""


@pytest.fixture(scope="module")
def without_truth(tmp_path_factory):
    """A copy of the package without its truth side."""
    folder = tmp_path_factory.mktemp("alone")
    package = Path(phyrefine.__file__).parent
    shutil.copytree(
        package, folder / "phyrefine",
        ignore=lambda where, names: [
            name for name in names
            if name == "__pycache__" or (name == "truth" and Path(where).name == "world")
        ],
    )  # fmt: skip
    return folder


def run(folder, code, *args):
    env = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, *args], cwd=folder, env=env, capture_output=True, text=True
    )


@pytest.mark.slow
def test_the_loop_needs_no_truth(without_truth, tmp_path):
    rows, columns = np.mgrid[:48, :64]
    frames = np.full((24, 48, 64, 3), 205, np.uint8)
    frames[:, 40:] = (95, 90, 88)
    for index, row in enumerate(8 + 0.02 * np.arange(24) ** 2):
        frames[index, (rows - row) ** 2 + (columns - 32) ** 2 <= 16] = (210, 45, 40)
    np.save(tmp_path / "prefix.npy", frames)
    told = run(without_truth, LOOP, str(without_truth), str(tmp_path / "prefix.npy"))
    assert told.returncode == 0, told.stderr[-3000:]
    assert told.stdout.strip() == "loops: 2"


def test_the_truth_is_really_gone(without_truth):
    told = run(without_truth, "import phyrefine.world.truth.scenes")
    assert told.returncode != 0
    assert "ModuleNotFoundError" in told.stderr
