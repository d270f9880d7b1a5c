"""A full or read-only disk: one clear error, nothing corrupted, and all well after room is made."""

import os
import subprocess
import sys

import pytest
from disks import file_size_limit, remount, small_disk
from run_helpers import KEY, noise

from phyrefine.errors import PhyrefineError, StoreError
from phyrefine.run import Meter, RunSpec, open_run, wrap_generator
from phyrefine.run.store.disk import write_json
from phyrefine.run.store.store import FolderStore
from phyrefine.testing import MovingDot, moving_clip
from phyrefine.types import Prompt, Shot


def everything(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_no_room_for_a_reply(tmp_path):
    store = FolderStore(tmp_path)
    store.put(KEY, "old")
    before = everything(tmp_path)
    with file_size_limit(1000), pytest.raises(StoreError, match=r"No room left .*make room"):
        store.put(KEY, "x" * 5000)
    assert everything(tmp_path) == before
    assert store.get(KEY) == "old"
    store.put(KEY, "x" * 5000)
    assert store.get(KEY) == "x" * 5000


def test_no_room_for_frames(tmp_path):
    store = FolderStore(tmp_path)
    clip = noise(12, (64, 64))
    with file_size_limit(1000), pytest.raises(StoreError, match=r"No room left .*\.mkv"):
        store.put_clip(clip)
    assert everything(tmp_path) == {}
    assert store.get_clip(clip.digest) is None
    store.put_clip(clip)
    assert store.get_clip(clip.digest) == clip


def test_a_run_on_a_full_disk(tmp_path):
    dot = MovingDot()
    with small_disk(tmp_path / "disk", "300k") as mounted:
        if not mounted:
            pytest.skip("mounting a small disk needs root")
        folder = tmp_path / "disk" / "run"
        filler = tmp_path / "disk" / "filler"
        with open_run(folder, RunSpec()) as run:
            generator = wrap_generator(dot, store=run.store, meter=Meter())
            shots = [Shot(Prompt("a"), seconds=1, size=(48, 48), seed=seed) for seed in range(40)]
            clips = [generator.generate(shots[0])]
            filler.write_bytes(b"\0" * 100_000)
            with pytest.raises(StoreError, match="No room left"):
                clips += [generator.generate(shot) for shot in shots[1:]]
            done = len(dot.shots)
            filler.unlink()
            assert not list(folder.rglob("*.part*"))
        with open_run(folder, RunSpec()) as run:
            generator = wrap_generator(dot, store=run.store, meter=Meter())
            assert [generator.generate(shots[0])] == clips
            assert len(dot.shots) == done
            assert not list(folder.rglob("*.damaged"))


def test_a_read_only_run_folder(tmp_path):
    disk = tmp_path / "disk"
    with small_disk(disk, "4m") as mounted:
        disk.mkdir(exist_ok=True)
        with open_run(disk / "run", RunSpec()) as run:
            run.store.put(KEY, "kept")
        if mounted:
            assert remount(disk, "ro")
        elif os.geteuid() == 0:
            pytest.skip("this root can neither mount nor be refused")
        else:
            for folder in (disk / "run", *(disk / "run").rglob("*/")):
                folder.chmod(0o500)
        try:
            with pytest.raises(StoreError, match=r"Cannot write .*(writable|another run folder)"):
                open_run(disk / "run", RunSpec())
            with pytest.raises(StoreError, match="Cannot write"):
                open_run(disk / "run" / "deeper", RunSpec())
            store = FolderStore(disk / "run" / "store")
            assert store.get(KEY) == "kept"
            with pytest.raises(StoreError, match="Cannot write"):
                store.put(KEY, "other")
            with pytest.raises(StoreError, match="Cannot write"):
                store.put_clip(noise())
            assert store.get(KEY) == "kept"
        finally:
            if not mounted:
                for folder in (disk / "run", *(disk / "run").rglob("*/")):
                    folder.chmod(0o700)


def test_every_disk_fault_is_ours(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PhyrefineError, match="Cannot write"):
        write_json(tmp_path / "file" / "below.json", {})


@pytest.mark.slow
@pytest.mark.parametrize("size", ["24k", "60k"])
def test_a_full_disk_is_told_in_one_line_and_the_same_command_goes_on(size, tmp_path):
    with small_disk(tmp_path / "disk", size) as mounted:
        if not mounted:
            pytest.skip("mounting a small disk needs root")
        video = moving_clip(24, (48, 64), 8.0).write(tmp_path / "dot.mkv")
        words = [sys.executable, "-m", "phyrefine", "run", video, "-d", "A dot.", "--out"]
        words += [tmp_path / "disk" / "run", "--loops", "1", "--seconds", "0.5"]
        command = [str(word) for word in words]
        full = subprocess.run(command, capture_output=True, text=True)
        assert full.returncode == 1
        *warnings, last = full.stderr.splitlines()
        assert last.startswith("StoreError: No room left to write ")
        assert all(line.startswith("WARNING ") for line in warnings)
        assert remount(tmp_path / "disk", "size=8m")
        assert subprocess.run(command, capture_output=True).returncode == 0
