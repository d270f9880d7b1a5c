"""Large clips whose frames are made or read when they are asked for: the same clips, less memory."""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest

from phyrefine.errors import VideoError
from phyrefine.run.store.store import FolderStore, MemoryStore
from phyrefine.run.store.stored import StoredGenerator
from phyrefine.testing import MovingDot, moving_clip
from phyrefine.types import GeneratorProfile, Prompt, Scenario, Shot
from phyrefine.video import Clip, deliver
from phyrefine.video.checks.symptoms import symptoms
from phyrefine.video.large import lazy
from phyrefine.video.seam import check_seam
from phyrefine.video.thumbnails import thumbnails

ASKED = [
    {"fps": 24.0, "frames": 48, "size": (70, 90)},
    {"fps": 24.0, "frames": 47, "size": None},
    {"fps": 5.0, "frames": 10, "size": (31, 21), "mode": "stretch"},
    {"fps": 30.0, "frames": 60, "size": (48, 64), "mode": "pad"},
    {"fps": 8.0, "frames": 16, "size": (20, 20), "crop": (slice(4, 40), slice(8, 44))},
]


@pytest.fixture
def everything_is_large(monkeypatch):
    monkeypatch.setattr(lazy, "LARGE", 1)


def native():
    return moving_clip(16, (48, 64), 8.0)


def both(monkeypatch, **asked):
    """The same delivery, held and not held."""
    held = deliver(native(), **asked)
    monkeypatch.setattr(lazy, "LARGE", 1)
    made = deliver(native(), **asked)
    assert held.held_bytes
    assert not made.held_bytes
    return held, made


@pytest.mark.parametrize("asked", ASKED)
def test_the_frames_are_those_of_a_clip_in_memory(monkeypatch, asked):
    held, made = both(monkeypatch, **asked)
    assert (len(made), made.size, made.fps) == (len(held), held.size, held.fps)
    assert made == held
    assert made.digest == held.digest
    assert np.array_equal(made.frames, held.frames)
    assert not made.frames.flags.writeable
    assert made.native == held.native


def test_every_operation_gives_the_same(monkeypatch):
    held, made = both(monkeypatch, **ASKED[0])
    for change in (
        lambda clip: clip.seconds(0.5, 1.5),
        lambda clip: clip.resample(7.0),
        lambda clip: clip.resample(24.0, count=60),
        lambda clip: clip.resize(20, 31, mode="pad"),
        lambda clip: clip.seconds(-1).resize(8, 8).resample(60.0),
        lambda clip: Clip(clip.take([5, 3, 3, 47]), 1.0),
        lambda clip: pickle.loads(pickle.dumps(clip)),
        copy.deepcopy,
    ):
        assert change(made) == change(held)
    assert made.to_bytes("mp4") == held.to_bytes("mp4")
    assert made.to_bytes("gif") == held.to_bytes("gif")
    assert np.array_equal(thumbnails(made).gray, thumbnails(held).gray)
    assert symptoms(made, frames=48, fps=24.0) == symptoms(held, frames=48, fps=24.0)
    prefix = moving_clip(24, (70, 90), 24.0)
    assert check_seam(prefix, made, frames=48, fps=24) == check_seam(
        prefix, held, frames=48, fps=24
    )


def test_another_process_gets_the_frames(everything_is_large):
    made = deliver(native(), **ASKED[0])
    assert pickle.loads(pickle.dumps(made)).held_bytes == made.frames.nbytes


@pytest.mark.parametrize("size", [(360, 640)])
def test_writing_and_digests_need_few_frames_at_a_time(everything_is_large, size):
    clip = deliver(native(), frames=60, fps=30.0, size=size)
    everything = 60 * size[0] * size[1] * 3
    tracemalloc.start()
    try:
        clip.digest  # noqa: B018 - computing it is what is measured
        clip.to_bytes("mp4")
        clip.resize(36, 64)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < everything / 6


def test_arrays_that_were_asked_for_do_not_pile_up(everything_is_large, monkeypatch):
    clips = [deliver(native(), **ASKED[0]) for _ in range(4)]
    one = clips[0].frames.nbytes
    wholes = lazy._Wholes(most=2 * one)
    monkeypatch.setattr(lazy, "_wholes", wholes)
    assert clips[0].frames is clips[0].frames
    for clip in clips:
        clip.frames  # noqa: B018 - asking is what counts
    assert len(wholes._arrays) == 2
    del clips, clip
    assert len(wholes._arrays) == 0


class TestInAFolder:
    def test_frames_stay_in_their_file(self, tmp_path, everything_is_large):
        clip = native().resample(30.0)
        store = FolderStore(tmp_path)
        back = store.get_clip(store.put_clip(clip))
        assert back == clip
        assert back.digest == clip.digest
        assert not back.held_bytes
        assert back.seconds(0.5).digest == clip.seconds(0.5).digest

    def test_damage_is_found_before_it_is_used(self, tmp_path, everything_is_large, caplog):
        store = FolderStore(tmp_path)
        digest = store.put_clip(native())
        path = store.clip_path(digest)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(bytes(data))
        assert FolderStore(tmp_path).get_clip(digest) is None
        assert "damaged" in caplog.text

    def test_a_folder_that_is_gone_is_told(self, tmp_path, everything_is_large):
        store = FolderStore(tmp_path)
        digest = store.put_clip(native())
        clip = store.get_clip(digest)
        store.clip_path(digest).unlink()
        with pytest.raises(VideoError, match=r"kept in .* and cannot be read any more"):
            clip.frames  # noqa: B018 - asking is what fails

    @pytest.mark.parametrize("kind", [FolderStore, MemoryStore])
    def test_what_a_generator_makes_is_read_from_there(self, kind, tmp_path, everything_is_large):
        store = kind(tmp_path) if kind is FolderStore else kind()
        shot = Shot(Prompt("a"), seconds=1, fps=24, size=(48, 64))
        plain = MovingDot().generate(shot)
        made = StoredGenerator(MovingDot(), store).generate(shot)
        assert made == plain
        assert made.native == plain.native
        if kind is FolderStore:
            assert not made.as_made.held_bytes

    @pytest.mark.slow
    def test_a_run_comes_to_the_same_result(self, tmp_path, monkeypatch):
        from phyrefine import SelfRefiner

        scenario = Scenario("A dot.", moving_clip(24, (48, 64), 24.0), seconds=1)
        results = []
        for name, large in (("held", 1 << 40), ("filed", 1)):
            monkeypatch.setattr(lazy, "LARGE", large)
            refiner = SelfRefiner("world", "world", MovingDot(), run_dir=tmp_path / name)
            results.append(refiner.refine(scenario))
        one, other = results
        assert clips_of(one) == clips_of(other)
        assert [clip.held_bytes for clip in clips_of(other)] == [0] * len(clips_of(one))
        paths = [
            next((tmp_path / name).glob("scenarios/*/refinement.json"))
            for name in ("held", "filed")
        ]
        assert paths[0].read_bytes() == paths[1].read_bytes()


def clips_of(refinement):
    return [
        each
        for attempt in refinement.attempts
        for candidate in attempt.candidates
        for each in (candidate.clip, candidate.clip.as_made)
    ]


def test_a_generator_of_large_clips_of_its_own_size(tmp_path, everything_is_large):
    class Service:
        profile = GeneratorProfile("service", fps=24.0)
        identity = "service"

        def generate(self, shot):
            clip = moving_clip(24, (48, 64), 24.0)
            return deliver(clip, frames=24, fps=24.0, size=(48, 64))

    made = StoredGenerator(Service(), FolderStore(tmp_path)).generate(Shot(Prompt("a"), seconds=1))
    assert made == moving_clip(24, (48, 64), 24.0)
    assert not made.held_bytes
    assert not made.as_made.held_bytes
