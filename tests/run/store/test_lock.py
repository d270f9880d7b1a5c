"""One process at a time; a dead one is no obstacle."""

import json
import os
import platform
import signal
import subprocess
import sys

import pytest

from phyrefine.errors import RunLockedError
from phyrefine.run.store.lock import RunLock

HOLD = (
    "import sys, time; from phyrefine.run.store.lock import RunLock\n"
    "lock = RunLock(sys.argv[1]).acquire(); print('held', flush=True); time.sleep(60)\n"
)


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run.lock")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_another_process(tmp_path, other):
    lock = RunLock(tmp_path / "run.lock")
    with pytest.raises(RunLockedError) as caught:
        lock.acquire()
    message = str(caught.value)
    assert f"process {other.pid} on {platform.node()} since 20" in message
    assert str(tmp_path) in message
    other.send_signal(signal.SIGKILL)
    other.wait()
    with lock:
        holder = json.loads((tmp_path / "run.lock.holder.json").read_text())
        assert holder["pid"] == os.getpid()


def test_this_process(tmp_path):
    with (
        RunLock(tmp_path / "run.lock"),
        pytest.raises(RunLockedError, match="this very process"),
    ):
        RunLock(tmp_path / "run.lock").acquire()
    with RunLock(tmp_path / "run.lock"):
        pass
    assert not (tmp_path / "run.lock.holder.json").exists()


def test_releasing_what_is_not_held_takes_it_from_nobody(tmp_path):
    with RunLock(tmp_path / "run.lock"):
        RunLock(tmp_path / "run.lock").release()
        assert (tmp_path / "run.lock.holder.json").exists()
        with pytest.raises(RunLockedError):
            RunLock(tmp_path / "run.lock").acquire()


def test_an_unreadable_holder_is_another_process(tmp_path, other):
    for content in ("", "{", '{"pid": 1}', "[]"):
        (tmp_path / "run.lock.holder.json").write_text(content)
        with pytest.raises(RunLockedError, match="in use by another process"):
            RunLock(tmp_path / "run.lock").acquire()
