"""Clips made by several workers of a Ray cluster, beside the same run in one process.

Needs Ray: pip install "phyrefine[ray]". Without an address the cluster is this machine alone; with
one it is yours: the model is then loaded on its machines, and nothing else changes::

    python examples/08_many_machines.py runs/many
    python examples/08_many_machines.py runs/many auto
    phyrefine watch runs/many                           # from another terminal, while it works
"""

from __future__ import annotations

import sys
from pathlib import Path

from phyrefine import RayCluster, Scenario, SelfRefiner
from phyrefine.refine.convergence import MaxLoops
from phyrefine.testing import MovingDot, moving_clip


def refiner(folder: Path) -> SelfRefiner:
    """Small stand-ins; put the names of your models here."""
    return SelfRefiner("world", "world", MovingDot(), convergence=MaxLoops(1), run_dir=folder)


def results(folder: Path) -> dict[str, bytes]:
    """What came out, by file."""
    found = sorted((folder / "scenarios").glob("*/refinement.json"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def main(folder: Path, address: str | None) -> None:
    """Refine four scenes twice: here, and on a cluster."""
    scenes = [Scenario(f"A dot moves {way}.", moving_clip(24), seconds=1.0, name=way)
              for way in ("left", "right", "up", "down")]  # fmt: skip
    refiner(folder / "here").refine_many(scenes)
    with RayCluster(address, generators=2, cpus_per_generator=0.5) as cluster:
        refined = refiner(folder / "there").refine_many(scenes, on=cluster)
        spent = cluster.spent()
    for one in refined:
        print(f"{one.scenario.name}: {one.stopped_by}, {len(one.attempts)} attempts")
    # These clips take so little time that one worker may make all while the other still loads.
    used = sum(busy.clips > 0 for busy in spent)
    print(f"{sum(busy.clips for busy in spent)} clips, made by {used} of 2 workers")
    equal = results(folder / "here") == results(folder / "there")
    print("Results equal those of one process." if equal else "RESULTS DIFFER")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(Path(given[0] if given else "runs/many"), given[1] if len(given) > 1 else None)
