"""One cache of the real side for the whole session, and one tiny data set: what users keep."""

from __future__ import annotations

from pathlib import Path

import pytest

from phyrefine.physics_iq.data.dataset import PhysicsIQ


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("physics-iq-cache")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny data set; read it, write elsewhere."""
    from piq_helpers import build

    return build(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_bench(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished benchmark folder of the tiny data set: two loops, two seeds."""
    from attrs import evolve
    from piq_helpers import PLAN, refiner_of

    from phyrefine.physics_iq.generation.generating import generate

    folder = tmp_path_factory.mktemp("bench")
    plan = evolve(PLAN, seeds=(0, 1))
    failures = generate(
        plan, PhysicsIQ.open(tiny), folder, refiner=lambda run: refiner_of(plan, run)
    )
    assert failures == []
    return folder
