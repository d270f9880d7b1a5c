"""From nothing to Table 1 with the embedded world, killed twice at random."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.physics_iq.scoring.results import ResultTable

KILLS = 2
PATIENCE = 900  # seconds; only a limit for a hung process


def grown(folder: Path) -> int:
    """Files made so far: progress that does not depend on the machine's speed."""
    return sum(path.is_file() for path in folder.rglob("*")) if folder.exists() else 0


def run_until(command: list[str], folder: Path, files: int) -> int | None:
    """Run, and kill when there are so many files; ``None`` if it ended by itself."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + PATIENCE
    while process.poll() is None:
        if grown(folder) >= files or time.monotonic() > end:
            process.kill()
            process.wait()
            return grown(folder)
        time.sleep(0.1)
    return None


@pytest.mark.slow
def test_from_nothing_to_the_table_killed_twice(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("pymunk")
    out = tmp_path / "run"
    command = [
        sys.executable, "-m", "phyrefine", "bench", "physics-iq", "--data", str(tmp_path / "data"),
        "--make-scenes", "6", "--out", str(out), "--loops", "1", "--steps", "2", "--fps", "8",
        "--size", "96", "128", "--jobs", "1",
    ]  # fmt: skip
    rng = random.Random(20261125)
    at = 0
    for _ in range(KILLS):
        # Somewhere while clips are made: a sample leaves about ten files.
        reached = run_until(command, out, at + rng.randrange(20, 90))
        assert reached is not None, "it ended before the kill"
        at = reached
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "best of {0,1}" in done.stdout

    data = PhysicsIQ.open(tmp_path / "data")
    assert len(data.samples) == 18
    for row in ("plain-steps2-seed0", "loop1-steps2-seed0"):
        names = {path.name for path in (out / "videos" / row).glob("[0-9]*.mp4")}
        assert names == {f"{sample.name}.mp4" for sample in data.samples}
        assert len(ResultTable.read(out / "results" / f"{row}.csv").scenes) == 6
    table = json.loads((out / "table.json").read_text())
    kinds = {row["kind"] for row in table["rows"]}
    assert kinds == {"plain", "loop", "random", "reference-free", "oracle"}
    assert table["samples"] == 18
    # Once more: nothing is made again, and the table is the same to the last digit.
    made = {p: p.stat().st_mtime_ns for p in (out / "videos").rglob("*.mp4")}
    subprocess.run([*command, "--score-only"], check=True, capture_output=True, timeout=PATIENCE)
    assert json.loads((out / "table.json").read_text()) == table
    assert made == {p: p.stat().st_mtime_ns for p in (out / "videos").rglob("*.mp4")}
