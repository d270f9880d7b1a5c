"""Several processes make the frames that one makes, and none is left behind."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.models.attention_dispatch import attention_backend

from phyrefine.errors import GenerationError, InvalidInputError
from phyrefine.magi.config import VARIANTS
from phyrefine.magi.pipeline import MagiPipeline
from phyrefine.magi.ranks.group import Member, check_degree
from phyrefine.magi.request import Request
from phyrefine.testing import moving_clip

VIDEO = moving_clip(72, (32, 48), 24.0).frames
# diffusers calls what torch 2.13 has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:.*all_gather_tensor:FutureWarning")
ASKED = (
    Request("a dot moves", prefix=VIDEO, num_frames=48),
    Request("a ball falls", prefix=VIDEO, num_frames=48, seed=3),  # the prefix is known
    Request(["a lamp", "a dot moves"], num_frames=24),
)


@pytest.mark.slow
def test_a_follower_that_died_is_told_and_the_group_is_closed(original):
    pipe = MagiPipeline.from_pretrained(original, dtype=torch.float32, devices=2)
    process, _ = pipe.leader._followers[0]
    process.kill()
    process.wait()
    with pytest.raises(GenerationError, match=r"device 1 ended with code -9"):
        pipe(ASKED[2])
    with pytest.raises(GenerationError, match="Load the generator again"):
        pipe(ASKED[2])
    pipe.close()


@pytest.mark.slow
def test_a_load_that_fails_leaves_no_group_behind(original, monkeypatch):
    def fail(*_args, **_options):
        raise OSError("the disk is gone")

    monkeypatch.setattr("phyrefine.magi.loading.load_autoencoder", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        MagiPipeline.from_pretrained(original, dtype=torch.float32, devices=2)
    assert not torch.distributed.is_initialized()


@pytest.mark.slow
def test_attention_that_another_pipeline_set_does_not_hinder_a_group(original, caplog):
    with attention_backend("_native_math"):
        pipe = MagiPipeline.from_pretrained(original, dtype=torch.float32, devices=2)
        frames = pipe(ASKED[2])
        pipe.close()
    assert "'_native_math' of this process cannot be divided over devices" in caplog.text
    one = MagiPipeline.from_pretrained(original, dtype=torch.float32)
    assert np.abs(frames.astype(int) - one(ASKED[2])).max() <= 1


@pytest.fixture(scope="module")
def two(original):
    pipe = MagiPipeline.from_pretrained(original, dtype=torch.float32, devices=2)
    yield pipe
    pipe.close()


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(ASKED)))
def test_two_processes_give_the_frames_of_one(two, original, number):
    one = MagiPipeline.from_pretrained(original, dtype=torch.float32)
    apart = np.abs(two(ASKED[number]).astype(int) - one(ASKED[number]))
    assert apart.max() <= 1
    assert (apart > 0).mean() <= 1e-4


@pytest.mark.slow
def test_a_stopped_stream_leaves_followers_ready(two, original):
    stream = two.stream(ASKED[0])
    next(stream)
    stream.close()
    one = MagiPipeline.from_pretrained(original, dtype=torch.float32)
    apart = np.abs(two(ASKED[2]).astype(int) - one(ASKED[2]))
    assert apart.max() <= 1


@pytest.mark.slow
def test_torchrun_runs_the_command_once_and_the_others_follow(original, tmp_path):
    command = f"""
import sys
import numpy
from phyrefine.cli import torchrun
from phyrefine.backends.magi import MagiGenerator
from phyrefine.testing import moving_clip
from phyrefine.types import Prompt, Shot

def main():
    generator = MagiGenerator.from_pretrained({str(original)!r})
    shot = Shot(Prompt("a dot moves"), moving_clip(72, (32, 48), 24.0), seconds=1.0)
    numpy.save({str(tmp_path / "clip.npy")!r}, generator.generate(shot).frames)
    assert generator.pipeline.leader is not None
    print("made by", len(generator.pipeline.leader._followers))
    return 0

sys.exit(torchrun.run(main if len(sys.argv) == 1 else lambda: 0))
"""
    script = tmp_path / "command.py"
    script.write_text(command)
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    for words in ([], ["needs no generator"]):
        done = subprocess.run(
            [*start, "--standalone", str(script), *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stdout.count("made by 0") == (not words)
    assert np.load(tmp_path / "clip.npy").shape == (24, 32, 48, 3)


@pytest.mark.parametrize("devices", [3, 5, 16])
def test_numbers_that_heads_cannot_be_split_over_are_refused(devices):
    with pytest.raises(InvalidInputError, match=r"Take one of 1, 2, 4, 8\."):
        check_degree(VARIANTS["24B_base"].model, devices)


def test_numbers_that_fit():
    for name in VARIANTS:
        for devices in (1, 2, 4, 8):
            check_degree(VARIANTS[name].model, devices)


def test_what_torchrun_tells(monkeypatch):
    assert Member.of_environment() is None
    told = {"WORLD_SIZE": "4", "RANK": "5", "LOCAL_RANK": "1", "MASTER_ADDR": "host"}
    for name, value in {**told, "MASTER_PORT": "29500", "RANK": "3"}.items():
        monkeypatch.setenv(name, value)
    member = Member.of_environment()
    assert (member.rank, member.size, member.local, member.serves) == (3, 4, 1, False)
    monkeypatch.setenv("RANK", "0")
    assert Member.of_environment().serves
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    assert not Member.of_environment().serves


def test_devices_must_fit_what_torchrun_started(original, monkeypatch):
    for name, value in {
        "WORLD_SIZE": "2",
        "RANK": "0",
        "MASTER_ADDR": "x",
        "MASTER_PORT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInputError, match="devices=4, but torchrun started 2"):
        MagiPipeline.from_pretrained(original, devices=4)
