"""The score cache: leftovers of killed processes are swept away, damage is found and made good."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from phyrefine.errors import StoreError
from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.physics_iq.data.decoding import UInt8
from phyrefine.physics_iq.scoring.cache import Cache, DamagedError, Making, Stamp
from phyrefine.physics_iq.scoring.evaluate import Evaluator
from phyrefine.physics_iq.scoring.truth import GroundTruth
from phyrefine.video.masks import MaskTrack

SIZE, FRAMES = (4, 6), 3
DATA = Path(__file__).parents[2] / "data" / "physics_iq"
DIES_WRITING = """
import os, signal, sys
from pathlib import Path
import numpy as np
from phyrefine._atomic import written_aside
from phyrefine.physics_iq.scoring.cache import Cache, Making

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


# -- damage ----------------------------------------------------------------------------------------

WIDE = (40, 60)  # a frame of two pages and a rest
NOISE = np.random.default_rng(0).integers(0, 256, (FRAMES, *WIDE, 3), np.uint8)
COUNTS = np.arange(WIDE[0] * WIDE[1], dtype=np.uint16).reshape(WIDE)
BITS = NOISE[:, :, :8, 0]


def wide() -> Making:
    return Making(WIDE, iter(NOISE), lambda: MaskTrack(BITS, COUNTS))


def never() -> Making:
    raise AssertionError("it was there")


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.fixture(params=[False, True], ids=["raw", "packed"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Cache:
    """A cache with one entry, ``a``."""
    cache = Cache(tmp_path, request.param)
    cache.clip("a", wide)
    return cache


def test_what_is_read_is_what_was_written(filled: Cache) -> None:
    clip = filled.clip("a", never)
    assert np.array_equal(list(clip.read_frames()), NOISE)
    masks = clip.read_masks()
    assert np.array_equal(masks.bits, BITS)
    assert np.array_equal(masks.counts, COUNTS)
    assert masks.counts.dtype == np.uint16


@pytest.mark.parametrize("place", [0, 1, 4095, 4096, 8191, 8192, -1])
def test_an_altered_byte_of_a_frame_is_found(filled: Cache, place: int) -> None:
    clip = filled.clip("a", never)
    flip(clip.folder / "frames.bin", place)
    with pytest.raises(StoreError, match="is damaged: delete it and score again"):
        list(clip.read_frames())


@pytest.mark.parametrize("place", [0, 4095, -1])
def test_an_altered_byte_of_the_masks_is_found(filled: Cache, place: int) -> None:
    clip = filled.clip("a", never)
    flip(clip.folder / "masks.bin", place)
    with pytest.raises(DamagedError):
        clip.read_masks()


@pytest.mark.parametrize("place", [0, 5, 1000])
@pytest.mark.parametrize("length", [1, 4095, 4096, 3 * 4096 + 7])
def test_stamps_tell_bytes_apart(length: int, place: int) -> None:
    data = np.random.default_rng(length).integers(0, 256, length, np.uint8)
    whole = Stamp.of(data.data)
    assert whole == Stamp.of(data.tobytes())
    data[min(place, length - 1)] ^= 128
    assert Stamp.of(data.data) != whole


def test_stamps_tell_the_order_of_pages_apart() -> None:
    data = NOISE[0].tobytes()
    swapped = data[4096:8192] + data[:4096] + data[8192:]
    assert Stamp.of(swapped) != Stamp.of(data)
    assert Stamp.of(bytes(8192)) != Stamp.of(bytes(4096))


@pytest.mark.parametrize("name", ["frames.bin", "masks.bin"])
def test_files_that_vanish_or_shrink_while_an_entry_is_open_are_damage(
    filled: Cache, name: str
) -> None:
    clip = filled.clip("a", never)
    read = clip.read_masks if name == "masks.bin" else lambda: list(clip.read_frames())
    os.truncate(clip.folder / name, 0)
    with pytest.raises(DamagedError):
        read()
    shutil.rmtree(clip.folder)
    with pytest.raises(DamagedError):
        read()


@pytest.mark.parametrize("name", ["entry.json", "frames.bin", "masks.bin"])
@pytest.mark.parametrize("left", ["nothing", "no bytes", "half", "more"])
def test_an_entry_with_a_file_cut_off_or_gone_is_made_anew(
    filled: Cache, name: str, left: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = filled.folder / "clips" / "a" / name
    data = path.read_bytes()
    kept = {"no bytes": b"", "half": data[: len(data) // 2], "more": data + b"\0"}
    path.unlink() if left == "nothing" else path.write_bytes(kept[left])
    clip = filled.clip("a", wide)
    assert np.array_equal(list(clip.read_frames()), NOISE)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert str(clip.folder) in caplog.text
    assert not parts(filled.folder)
    filled.clip("a", never)


@pytest.mark.parametrize(
    "text", ["", "[1, ", "null", "[]", '"seal"', "7", "{}", '{"seal": "", "content": [1]}', "\0"]
)
def test_a_value_that_is_not_ours_is_made_anew(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache(tmp_path)
    made = {"mse": [0.1, 1e-9], "iou": 1.0}
    cache.value("a", lambda: made)
    path = tmp_path / "values" / "a.json"
    path.write_text(text)
    assert cache.value("a", lambda: made) == made
    assert str(path) in caplog.text
    assert cache.value("a", never) == made
    assert not parts(tmp_path)


def test_an_altered_number_or_another_key_is_found(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.value("a", lambda: [0.25])
    path = tmp_path / "values" / "a.json"
    path.with_name("b.json").write_bytes(path.read_bytes())
    assert cache.value("b", lambda: "made") == "made"
    stored = path.read_text()
    assert "0.25" in stored
    path.write_text(stored.replace("0.25", "0.75"))
    assert cache.value("a", lambda: [0.25]) == [0.25]
    assert json.loads(path.read_text())["content"] == [0.25]


def test_a_value_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "values").write_text("")
    with pytest.raises(StoreError, match="Cannot write the cache"):
        Cache(tmp_path).value("a", lambda: 1)


def test_damage_that_another_process_deleted_is_no_error(filled: Cache) -> None:
    clip = filled.clip("a", never)
    shutil.rmtree(clip.folder)
    filled.discard(DamagedError(clip.folder))
