"""The score cache: what a killed process leaves is swept away, what another writes is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from phyrefine.physics_iq.cache import Cache, Making
from phyrefine.physics_iq.dataset import PhysicsIQ
from phyrefine.physics_iq.decoding import UInt8
from phyrefine.physics_iq.evaluate import Evaluator
from phyrefine.physics_iq.pairs import MaskTrack
from phyrefine.physics_iq.truth import GroundTruth

SIZE, FRAMES = (4, 6), 3
DATA = Path(__file__).parents[1] / "data" / "physics_iq"
DIES_WRITING = """
import os, signal, sys
from pathlib import Path
import numpy as np
from phyrefine._atomic import written_aside
from phyrefine.physics_iq.cache import Cache, Making

def frames():
    yield np.zeros((4, 6, 3), np.uint8)
    with written_aside(Path(sys.argv[1]) / "values" / "b.json") as aside:
        aside.write_text("[1, ")
        os.kill(os.getpid(), signal.SIGKILL)

Cache(Path(sys.argv[1])).clip("a", lambda: Making((4, 6), frames(), lambda: None))
"""


def frames() -> Iterator[UInt8]:
    for value in range(FRAMES):
        yield np.full((*SIZE, 3), value, np.uint8)


def track() -> MaskTrack:
    return MaskTrack(np.zeros((FRAMES, SIZE[0], 1), np.uint8), np.zeros(SIZE, np.uint16))


def parts(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.rglob(".*.part*")}


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A cache whose process was killed while it wrote an entry and a value."""
    command = [sys.executable, "-c", DIES_WRITING, str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert parts(tmp_path) == {"clips", "values"}
    return tmp_path


def test_what_a_killed_process_left_is_swept_when_it_is_old(killed: Path) -> None:
    cache = Cache(killed)
    cache.sweep()
    assert parts(killed) == {"clips", "values"}  # another process may still be at it
    kept = cache.clip("a", lambda: Making(SIZE, frames(), track))
    assert cache.value("b", lambda: [1, 2]) == [1, 2]
    cache.sweep(now=time.time() + 3700)
    assert not parts(killed)
    assert [frame[0, 0, 0] for frame in kept.read_frames()] == [0, 1, 2]
    assert cache.value("b", lambda: pytest.fail("it was there")) == [1, 2]


def test_an_old_part_that_is_still_written_is_left(killed: Path) -> None:
    begun = next((killed / "clips").iterdir())
    later = time.time() + 3700
    stream = begun / "frames.bin"
    os.utime(stream, (later, later))
    Cache(killed).sweep(now=later + 60)
    assert parts(killed) == {"clips"}


def test_scoring_sweeps_its_cache(killed: Path) -> None:
    old = time.time() - 3700
    for path in killed.rglob("*"):
        os.utime(path, (old, old))
    data = PhysicsIQ.open(DATA / "base")
    Evaluator(GroundTruth(data, 30), cache=killed).prepare(samples=())
    assert not parts(killed)
