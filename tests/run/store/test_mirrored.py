"""A run kept in an object store as well: another machine goes on, nothing is paid for twice."""

import json
import os
import subprocess
import sys
import time
import urllib.request
import uuid

import fsspec
import pytest
import s3fs
from run_helpers import Clock, noise

from phyrefine import Scenario, SelfRefiner
from phyrefine.errors import (
    InvalidInputError,
    MissingDependencyError,
    RunLockedError,
    RunMismatchError,
    StoreError,
)
from phyrefine.refine.convergence import MaxLoops
from phyrefine.run.journal import Journal
from phyrefine.run.store import bucket_lock
from phyrefine.run.store.bucket_lock import BucketLock
from phyrefine.run.store.mirrored import Bucket, MirroredStore
from phyrefine.run.store.segments import OLD_SECONDS, Segments
from phyrefine.run.store.store import FolderStore
from phyrefine.testing import MovingDot, moving_clip

SCENE = Scenario("A dot moves.", moving_clip(24), seconds=1.0, name="dot")


@pytest.fixture
def address():
    return f"memory://bucket-{uuid.uuid4().hex}/run"


def refine(folder, address, generator, **settings):
    settings = {"convergence": MaxLoops(1), "run_dir": folder, "store": address, **settings}
    return SelfRefiner("world", "world", generator, **settings).refine(SCENE)


def goes_on_elsewhere(tmp_path, address):
    first, second = MovingDot(), MovingDot()
    made = refine(tmp_path / "here", address, first)
    again = refine(tmp_path / "there", address, second)
    assert (len(first.shots), len(second.shots)) == (2, 0)
    assert again == made
    (one,), (two,) = ((tmp_path / name / "scenarios").glob("*/refinement.json")
                      for name in ("here", "there"))  # fmt: skip
    assert one.read_bytes() == two.read_bytes()


def test_another_machine_goes_on_and_makes_nothing_again(tmp_path, address):
    goes_on_elsewhere(tmp_path, address)


def test_values_and_clips_come_back(tmp_path, address):
    clip = noise().with_native(noise(2, seed=1))
    here = MirroredStore(FolderStore(tmp_path / "here"), Bucket.at(address))
    here.put("critique-3fa9", {"a": 1})
    digest = here.put_clip(clip)
    there = MirroredStore(FolderStore(tmp_path / "there"), Bucket.at(address))
    assert there.get("critique-3fa9") == {"a": 1}
    assert there.get_clip(digest) == clip
    assert there.get_clip(digest).native == clip.native
    assert there.get("critique-0000") is None
    assert there.get_clip("0" * 32) is None


def test_what_was_not_sent_is_sent_at_the_next_start(tmp_path, address):
    FolderStore(tmp_path / "here").put("predict-aa", [1])
    MirroredStore(FolderStore(tmp_path / "here"), Bucket.at(address))
    there = MirroredStore(FolderStore(tmp_path / "there"), Bucket.at(address))
    assert there.get("predict-aa") == [1]


def test_what_is_damaged_there_is_made_anew(tmp_path, address, caplog):
    bucket = Bucket.at(address)
    here = MirroredStore(FolderStore(tmp_path / "here"), bucket)
    here.put("predict-aa", [1])
    (name,) = bucket.names()
    bucket.write(name, b'{"key": "predict-aa", "digest": "x", "value": [2]}')
    there = MirroredStore(FolderStore(tmp_path / "there"), bucket)
    assert there.get("predict-aa") is None
    assert "damaged" in caplog.text
    there.put("predict-aa", [1])
    last = MirroredStore(FolderStore(tmp_path / "last"), bucket)
    assert last.get("predict-aa") == [1]


def test_another_experiment_is_refused_from_any_machine(tmp_path, address):
    refine(tmp_path / "here", address, MovingDot())
    with pytest.raises(RunMismatchError, match="generator"):
        refine(tmp_path / "there", address, MovingDot(identity="another"))


def test_a_store_that_fails_says_so_and_what_is_finished_stays(tmp_path, address, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError("Access Denied")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "pipe_file", refuse)
    store = FolderStore(tmp_path / "here")
    mirrored = MirroredStore(store, Bucket.at(address))
    with pytest.raises(StoreError, match=r"Access Denied.* run the same command again"):
        mirrored.put("predict-aa", [1])
    assert store.get("predict-aa") == [1]


def test_the_journal_goes_in_pieces_that_add_up(tmp_path, address):
    bucket, clock = Bucket.at(address), Clock()
    journal = Journal(tmp_path / "events.jsonl")
    segments = Segments(journal.path, bucket, clock=clock)
    for number in range(3):
        journal.on_event("call", {"number": number})
        segments.on_event("call", {})
    assert not list(bucket.names())
    clock.passes(OLD_SECONDS)
    segments.on_event("call", {})
    journal.on_event("closed", {})
    segments.on_event("closed", {})
    names = sorted(bucket.names())
    assert len(names) == 2
    whole = b"".join(bucket.read(name) for name in names)
    assert whole == journal.path.read_bytes()
    assert [json.loads(line)["event"] for line in whole.splitlines()] == [*["call"] * 3, "closed"]
    journal.close()


def test_addresses_that_cannot_work_are_told(tmp_path):
    with pytest.raises(InvalidInputError, match="no address of a store"):
        Bucket.at("nowhere://bucket")
    with pytest.raises(InvalidInputError, match="pass run_dir too"):
        SelfRefiner("world", "world", MovingDot(), store="memory://x")
    try:
        import s3fs  # noqa: F401
    except ModuleNotFoundError:
        with pytest.raises(MissingDependencyError, match="s3fs"):
            Bucket.at("s3://bucket/run")


def locks(address, count=2):
    clock = Clock()
    # No beat is sent by itself: the tests send them.
    more = {"beat": 1e6, "still": 45.0, "clock": clock, "sleep": clock.passes}
    return [BucketLock(Bucket.at(address), **more) for _ in range(count)]


def one_driver_at_a_time(address):
    first, second = locks(address)
    first.acquire()
    looks = iter(range(99))

    def sleep(seconds):  # the first is alive: its beat comes while the second looks
        second.clock.passes(seconds)
        if next(looks) == 3:
            first._card["beat"] += 1
            first.bucket.write(first._name(1), first._data())

    second.sleep = sleep
    with pytest.raises(RunLockedError, match=rf"in use by process {os.getpid()} on "):
        second.acquire()
    first.release()
    before = second.clock()
    second.acquire()
    assert second.clock() == before  # the first said that it ended
    assert second._number == 2
    second.release()


def test_two_drivers_of_one_object_store_are_refused(address):
    one_driver_at_a_time(address)


def test_a_driver_that_was_killed_is_followed_by_one_only(address, caplog):
    killed, second, third = locks(address, 3)
    killed.acquire()
    begun = second.clock()
    second.acquire()
    assert second.clock() - begun >= 45.0
    assert "ended without a word" in caplog.text
    # Who looked at the same time, and comes too late with its number, looks again.
    assert third.bucket.create(third._name(2), b"{}") is False
    killed._ended.wait = lambda _: False
    killed._beat()
    assert "Another driver took over" in caplog.text


def test_a_run_is_refused_while_another_machine_works_on_it(tmp_path, address, monkeypatch):
    monkeypatch.setattr(bucket_lock, "LOOK_SECONDS", 0.01)
    other = BucketLock(Bucket.at(address), beat=0.01).acquire()
    with pytest.raises(RunLockedError, match=r"memory://.* is in use by process"):
        refine(tmp_path / "here", address, MovingDot())
    other.release()
    refine(tmp_path / "here", address, MovingDot())


def test_shares_of_one_run_have_drivers_of_their_own(address):
    first, second = (
        BucketLock(Bucket.at(address), "1-of-2"),
        BucketLock(Bucket.at(address), "2-of-2"),
    )
    first.acquire(), second.acquire()
    assert (first._number, second._number) == (1, 1)
    first.release(), second.release()


def test_a_store_that_takes_a_name_twice_is_told(tmp_path, address, monkeypatch, caplog):
    memory = type(fsspec.filesystem("memory"))
    plain = memory.pipe_file
    monkeypatch.setattr(memory, "pipe_file",
                        lambda self, path, data, mode="overwrite": plain(self, path, data))  # fmt: skip
    refine(tmp_path / "here", address, MovingDot())
    assert "cannot refuse a second driver" in caplog.text


@pytest.fixture
def s3(monkeypatch):
    """A real server that speaks S3, in a process of its own."""
    # One that is cached would go on asking the last test's server.
    s3fs.S3FileSystem.clear_instance_cache()
    server = subprocess.Popen([sys.executable, "-m", "moto.server", "-p", "0"],
                              stderr=subprocess.PIPE, text=True)  # fmt: skip
    port = None
    while port is None:
        line = server.stderr.readline()
        assert line, "the server ended"
        if "Running on http://127.0.0.1:" in line:
            port = int(line.rpartition(":")[2].split()[0].strip("/"))
    url = f"http://127.0.0.1:{port}"
    for name, value in (("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"),
                        ("AWS_DEFAULT_REGION", "us-east-1"), ("AWS_ENDPOINT_URL", url)):  # fmt: skip
        monkeypatch.setenv(name, value)
    until = time.monotonic() + 30
    request = urllib.request.Request(f"{url}/runs", method="PUT")
    while True:
        try:
            urllib.request.urlopen(request)
            break
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.1)
    yield "s3://runs/one"
    server.terminate()
    server.wait()
    server.stderr.close()


@pytest.mark.slow
def test_two_drivers_are_refused_by_a_server_that_speaks_s3(s3, caplog):
    one_driver_at_a_time(s3)
    assert "cannot refuse" not in caplog.text


@pytest.mark.slow
def test_on_a_server_that_speaks_s3(tmp_path, s3):
    goes_on_elsewhere(tmp_path, s3)
    names = list(Bucket.at(s3).names())
    assert any(name.startswith("events/") for name in names)
    kept = {path.name for path in (tmp_path / "here" / "store").rglob("*.*")}
    assert {name.rpartition("/")[2] for name in names if name.startswith("store/")} == kept
