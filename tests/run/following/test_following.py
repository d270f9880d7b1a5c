"""Where a run stands, read from its folder while it works, after it ended, after it was killed."""

import json
import os
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from made_runs import SCENES, Gate, refiner
from test_refiner import Watcher

from phyrefine.cli.telling.watching import summary
from phyrefine.errors import RateLimitedError, StoreError
from phyrefine.report.live import render_progress
from phyrefine.run.following.follower import Follower
from phyrefine.run.following.tail import JournalTail
from phyrefine.run.store.disk import write_json
from phyrefine.testing import MovingDot


def test_a_run_is_followed_while_it_works(tmp_path):
    gate = Gate()
    pool = [MovingDot(fail=gate), MovingDot(fail=gate)]
    working = threading.Thread(
        target=refiner(tmp_path, pool).refine_many, args=(SCENES,), kwargs={"workers": 1}
    )
    working.start()
    try:
        assert gate.reached.wait(60)
        follower = Follower(tmp_path)
        seen = follower.look()
        file = seen.clips[0].file
    finally:
        gate.open.set()
        working.join()
    assert seen.kind == "run"
    assert seen.working
    assert seen.holder == f"process {os.getpid()}"
    assert seen.planned == 4
    assert seen.counts == {"running": 1, "waiting": 3}
    assert seen.generators == (1, 2)
    (running,) = (one for _, one in seen.scenarios if one.state == "running")
    assert (running.name, running.attempts, running.violations) == ("scene 0", 1, 1)
    assert running.now == "critique"
    assert seen.clips[0].name == "scene 0"
    assert file.suffix == ".mkv"  # its video is made when the scenario ends
    assert seen.spent.usd == pytest.approx(seen.spent.tokens / 110 * 0.1)
    assert 'data-reload="5"' in render_progress(seen, reload_seconds=2.0)

    after = follower.look()  # the same follower reads only what is new
    assert not after.working
    assert after.counts == {"done": 4, "waiting": 0}
    assert after.generators is None
    assert after.spent == Follower(tmp_path).look().spent
    assert after.spent.clips == 2  # the scenarios are alike but for their names
    assert after.clips[0].name == "scene 3"
    assert after.clips[0].file.suffix == ".mp4"
    page = render_progress(after, reload_seconds=2.0)
    assert 'data-reload="0"' in page
    assert page.count("<video") == 6


def test_failures_are_named_with_their_reason(tmp_path):
    vlm = Watcher(fail_at=2, error=RateLimitedError("slow down <b>now</b>"))
    refiner(tmp_path, vlm=vlm).refine_many(SCENES[:2], workers=1)
    seen = Follower(tmp_path).look()
    assert seen.counts == {"failed": 1, "done": 1, "waiting": 0}
    assert seen.spent.failed_calls == 1
    assert seen.errors == ("scene 0 critique: RateLimitedError: slow down <b>now</b>",)
    (lost,) = (one for _, one in seen.scenarios if one.state == "failed")
    assert lost.ending == "rate_limit"
    assert "slow down" in lost.reason
    assert "slow down &lt;b&gt;" in render_progress(seen)


def hold(folder, pid, host=None):
    holder = {"pid": pid, "host": host or platform.node(), "since": "now"}
    write_json(folder / "run.lock.holder.json", holder)


def test_a_killed_run_is_told_from_one_that_works(tmp_path):
    journal = tmp_path / "events.jsonl"
    write_json(tmp_path / "manifest.json", {})
    started = {"event": "started", "scenario": "a", "scenario_id": "a-1"}
    busy = {"event": "generators", "busy": 1, "all": 1}
    journal.write_text(f"{json.dumps(started)}\n{json.dumps(busy)}\n")
    gone = 2**22 + 1  # above any process number
    hold(tmp_path, gone)
    follower = Follower(tmp_path)
    seen = follower.look()
    assert (seen.presence, seen.working, seen.generators) == ("dead", False, None)
    assert seen.holder == f"process {gone} has ended"
    assert seen.counts == {"stopped": 1}
    hold(tmp_path, os.getpid())
    call = {"event": "call", "stage": "predict", "scenario_id": "a-1", "usage": {"usd": None}}
    with journal.open("a") as file:
        file.write(json.dumps(call) + "\n")
    seen = follower.look()
    assert seen.working
    assert seen.counts == {"running": 1}
    assert seen.spent.unpriced == 1
    # Of a process on another machine only the journal's age can tell.
    hold(tmp_path, gone, "another-machine")
    assert Follower(tmp_path).look().presence == "elsewhere"
    os.utime(journal, (0, 0))
    assert Follower(tmp_path).look().presence == "dead"


def test_a_process_that_nobody_waited_for_is_gone(tmp_path):
    write_json(tmp_path / "manifest.json", {})
    child = subprocess.Popen([sys.executable, "-c", ""])
    hold(tmp_path, child.pid)
    stat = Path(f"/proc/{child.pid}/stat")
    if not stat.exists():
        pytest.skip("needs /proc")
    while ") Z " not in stat.read_text():  # until it has ended; its number is still taken
        time.sleep(0.01)
    assert Follower(tmp_path).look().presence == "dead"
    child.wait()


def test_shards_and_combinations_are_one_whole(tmp_path):
    for part in ("run-1-of-2", "run-2-of-2"):
        refiner(tmp_path / part).refine_many(SCENES[:1] if part[4] == "1" else SCENES[1:2])
    assert Follower(tmp_path).look().kind == "runs"
    write_json(tmp_path / "sweep.json", {"scenarios": 3})
    seen = Follower(tmp_path).look()
    assert (seen.kind, seen.planned, seen.counts["waiting"]) == ("sweep", 3, 1)
    (tmp_path / "sweep.json").unlink()
    write_json(tmp_path / "bench.json", {"scenarios": 5})
    (tmp_path / "samples").mkdir()
    seen = Follower(tmp_path).look()
    assert (seen.kind, seen.planned) == ("benchmark", 5)
    assert seen.counts == {"done": 2, "waiting": 3}
    assert [clip.name for clip in seen.clips] == ["scene 1", "scene 1", "scene 0", "scene 0"]
    # A finished sample stays finished when its run folder is deleted.
    for number in range(4):
        (tmp_path / "samples" / f"{number}.json").write_text("{}")
    assert Follower(tmp_path).look().counts == {"done": 4, "waiting": 1}


def test_a_benchmark_whose_run_folders_are_gone_is_still_seen(tmp_path):
    write_json(tmp_path / "bench.json", {"scenarios": 2})
    write_json(tmp_path / "samples" / "one.json", {})
    seen = Follower(tmp_path).look()
    assert (seen.kind, seen.counts) == ("benchmark", {"done": 1, "waiting": 1})
    assert "1 done" in summary(seen)
    assert "<b>1</b> done" in render_progress(seen)
    write_json(tmp_path / "bench.json", {})  # of an earlier version
    assert Follower(tmp_path).look().planned is None


def test_the_seeds_of_a_recipe_are_one_benchmark(tmp_path):
    for seed in (0, 1):
        bench = tmp_path / f"seed-{seed}"
        refiner(bench / "run").refine_many(SCENES[:2])
        write_json(bench / "bench.json", {"scenarios": 3})
        for number in range(2):
            write_json(bench / "samples" / f"{number}.json", {})
    hold(tmp_path / "seed-1", os.getpid())
    seen = Follower(tmp_path).look()
    assert (seen.kind, seen.working) == ("benchmark", True)
    assert seen.counts == {"done": 4, "waiting": 2}
    assert seen.planned is None  # other seeds may not have begun
    assert len(seen.runs) == 2


def test_only_whole_lines_are_read_and_each_once(tmp_path):
    path = tmp_path / "events.jsonl"
    tail = JournalTail(path)
    assert list(tail.new()) == []
    path.write_bytes(b'{"event": 1}\n{"ev')
    assert list(tail.new()) == [{"event": 1}]
    with path.open("ab") as file:
        file.write(b'ent": 2}\nbroken\n{"event": 3}\n')
    assert [event["event"] for event in tail.new()] == [2, 3]
    assert list(tail.new()) == []
    path.write_bytes(b'{"event": 4}\n')  # another run under the same name
    assert list(tail.new()) == [{"event": 4}]


def test_events_of_another_version_are_counted_and_left_out(tmp_path):
    write_json(tmp_path / "manifest.json", {})
    odd = ({"event": "attempt", "scenario_id": "a"}, {"event": "generators", "busy": "x"},
           {"event": "refined", "scenario_id": "a", "refinement": None}, {"event": "new"})  # fmt: skip
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in odd))
    seen = Follower(tmp_path).look()
    assert seen.unread == 3
    assert "3 events of another version left out" in summary(seen)


def test_workers_that_a_cluster_lost_are_told(tmp_path):
    write_json(tmp_path / "manifest.json", {})
    events = ({"event": "worker", "worker": 3, "state": "ready", "why": ""},
              {"event": "worker", "worker": 3, "state": "lost", "why": "its node died"})  # fmt: skip
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in events))
    assert Follower(tmp_path).look().errors == ("worker 3 is lost: its node died",)


def test_what_is_no_run_is_said(tmp_path):
    with pytest.raises(StoreError, match="is no run folder"):
        Follower(tmp_path).look()
    with pytest.raises(StoreError, match="is not there"):
        Follower(tmp_path / "nowhere").look()
