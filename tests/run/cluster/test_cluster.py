"""A real cluster of several raylets on this machine: equal results, losses, limits."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from cluster_backends import DiesOnArrival

from phyrefine import Budget, RayCluster, Scenario, SelfRefiner
from phyrefine.backends.calling.pacing import Report, host_pacers
from phyrefine.cli import main
from phyrefine.errors import (
    ConnectionFaultError,
    GenerationError,
    InvalidInputError,
    PhyrefineError,
    RateLimitedError,
    RunLockedError,
)
from phyrefine.refine.convergence import MaxLoops
from phyrefine.run.cluster import connecting
from phyrefine.run.cluster import fleet as fleets
from phyrefine.run.cluster.guard import guarded
from phyrefine.run.cluster.pacers import ClusterPacer, host_on_cluster
from phyrefine.run.cluster.remote import BLAMELESS
from phyrefine.run.journal import read_journal
from phyrefine.testing import MovingDot, StreamingDot, moving_clip
from phyrefine.types import Candidates

HERE = Path(__file__).parent
SCENES = [
    Scenario(f"A dot moves {way}.", moving_clip(24), seconds=1.0, name=way)
    for way in ("left", "sideways", "up", "down")
]
pytestmark = [
    pytest.mark.slow,
    # Ray leaves its pipes and log files to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]


@pytest.fixture(scope="module")
def machines():
    """Three raylets; what workers load by name lies beside this file."""
    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "RAY_USAGE_STATS_ENABLED")}
    paths = [str(HERE), str(HERE.parents[2]), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    local = {"include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **local})
    for _ in range(2):
        # Workers of all tests have room, but where a test asks for "room".
        made.add_node(num_cpus=16, resources={"room": 2}, **local)
    yield made
    made.shutdown()
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture(autouse=True)
def own_address(request, monkeypatch):
    """Python itself may reach loopback alone; raylets have the machine's own address."""
    if "machines" in request.fixturenames:
        monkeypatch.setattr(connecting, "_answers", lambda _: True)


@pytest.fixture(scope="module")
def cluster(machines):
    with RayCluster(machines.address, generators=2, in_flight=4) as made:
        yield made
    host_pacers(None)


def refiner(generator, folder=None, **settings):
    settings = {"convergence": MaxLoops(1), "run_dir": folder, **settings}
    return SelfRefiner("world", "world", generator, **settings)


def outcomes(folder):
    """Every byte of what came out, by file; what it took is apart."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted((folder / "scenarios").rglob("*"))
        if path.is_file() and path.name != "usage.json"
    }


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process makes with the dot."""
    folder = tmp_path_factory.mktemp("alone")
    refiner(MovingDot(), folder).refine_many(SCENES)
    return outcomes(folder)


def test_an_object_makes_the_same_as_in_one_process(cluster, alone, tmp_path):
    refined = refiner(MovingDot(), tmp_path).refine_many(SCENES, on=cluster)
    assert [one.scenario for one in refined] == SCENES
    assert outcomes(tmp_path) == alone
    told = [event["state"] for event in read_journal(tmp_path / "events.jsonl")
            if event["event"] == "worker"]  # fmt: skip
    # The second may still be starting when everything is done.
    assert 1 <= told.count("ready") <= 2
    assert all(one.usage.gpu_seconds > 0 for one in refined)


@pytest.mark.parametrize(
    "generator",
    [StreamingDot(), "world", MovingDot(batch_size=2), StreamingDot(batch_size=2)],
    ids=["stream", "world", "batch", "stream of a batch"],
)
def test_streams_and_names_make_the_same_too(cluster, tmp_path, monkeypatch, generator):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    settings = {"candidates": Candidates(seeds=(0, 1))}
    refiner(generator, tmp_path / "one", **settings).refine_many(SCENES[:2])
    there = cluster.generator(generator)
    refiner(there, tmp_path / "many", **settings).refine_many(SCENES[:2], on=cluster)
    assert outcomes(tmp_path / "many") == outcomes(tmp_path / "one")
    # And each goes on where the other ended.
    refiner(there, tmp_path / "one", **settings).refine(SCENES[0])
    assert sum(busy.clips for busy in cluster.spent()) >= 8


def test_a_worker_lost_in_a_clip_costs_that_clip(cluster, alone, tmp_path):
    (tmp_path / "log").mkdir()
    dying = f"cluster_backends:Dying?folder={tmp_path / 'log'}&word=up&times=2"
    refiner(cluster.generator(dying), tmp_path / "run").refine_many(SCENES, on=cluster)
    assert outcomes(tmp_path / "run") == alone
    assert len((tmp_path / "log" / "calls.log").read_text().splitlines()) == 8 + 2


def test_a_stream_goes_on_behind_the_chunks_that_were_finished(cluster, tmp_path):
    long = Scenario("A dot moves on.", moving_clip(24), seconds=4.0, name="long")
    refiner(StreamingDot(), tmp_path / "one", baseline=False).refine(long)
    (tmp_path / "log").mkdir()
    dying = cluster.generator(f"cluster_backends:DyingStream?folder={tmp_path / 'log'}")
    refiner(dying, tmp_path / "run", baseline=False).refine(long)
    assert outcomes(tmp_path / "run") == outcomes(tmp_path / "one")
    made = [line.split()[0] for line in (tmp_path / "log" / "calls.log").read_text().splitlines()]
    # What was finished just before may be lost on its way.
    assert (made[0], made.count("chunk2"), made[-2:]) == ("chunk0", 2, ["chunk2", "chunk3"])


def test_what_kills_every_worker_is_set_aside_and_named(cluster, tmp_path, caplog):
    (tmp_path / "log").mkdir()
    dying = f"cluster_backends:Dying?folder={tmp_path / 'log'}&word=sideways&times=99"
    refined = refiner(cluster.generator(dying), tmp_path / "run").refine_many(SCENES, on=cluster)
    assert [one.stopped_by for one in refined] == [
        "loop_limit", "generator_lost", "loop_limit", "loop_limit",
    ]  # fmt: skip
    assert "was lost 3 times" in refined[1].reason
    assert "of sideways" in refined[1].reason
    # A worker may be gone before it could say that it had begun: such a loss is nobody's fault.
    assert 3 <= len(list((tmp_path / "log").glob("died-*"))) <= BLAMELESS * 3


def test_a_full_device_starts_anew_in_the_next_memory_mode(cluster, alone, tmp_path):
    hungry = cluster.generator("cluster_backends:Hungry")
    refiner(hungry, tmp_path).refine_many(SCENES, on=cluster)
    assert outcomes(tmp_path) == alone
    assert hungry.fleet.recipe.options == {"memory": "tight"}


@pytest.mark.parametrize("ours", ["true", "false"])
def test_a_generators_own_error_reads_as_in_one_process(cluster, ours):
    spec = f"cluster_backends:Refusing?ours={ours}"
    said = []
    for generator in (spec, cluster.generator(spec)):
        with pytest.raises(GenerationError) as caught:
            refiner(generator).refine(SCENES[0])
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_what_cannot_be_loaded_says_why(cluster):
    with pytest.raises(PhyrefineError, match="FileNotFoundError: there are no weights at nowhere"):
        refiner(cluster.generator("cluster_backends:unloadable"))


def test_what_cannot_be_sent_is_refused_with_its_part_before_anything_runs(cluster, tmp_path):
    class Locked:
        def __init__(self):
            self.inner, self.lock = MovingDot(), threading.Lock()
            self.profile, self.identity = self.inner.profile, self.inner.identity

        def generate(self, shot):
            return self.inner.generate(shot)

    dot = Locked()
    with pytest.raises(InvalidInputError, match=r"cannot be pickled by its lock \(.*_thread.lock"):
        refiner(dot, tmp_path / "run").refine_many(SCENES, on=cluster)
    assert not (tmp_path / "run").exists()


def test_every_scenario_has_the_reason_and_notes_of_its_own(cluster):
    refined = refiner(DiesOnArrival()).refine_many(SCENES, on=cluster)
    assert {one.stopped_by for one in refined} == {"generator_lost"}
    assert len({one.reason.count("(In the ") for one in refined}) == 1
    assert all(one.reason.count("(In the ") <= 1 for one in refined)


def test_a_stream_of_one_chunk_costs_its_seconds_once(cluster, tmp_path):
    (refined,) = refiner(
        cluster.generator("cluster_backends:SlowStream"), tmp_path, baseline=False
    ).refine_many(SCENES[:1], on=cluster)
    assert 0.5 <= refined.usage.gpu_seconds < 0.9
    calls = [event["usage"].get("gpu_seconds", 0.0) for event in read_journal(tmp_path / "events.jsonl")
             if event["event"] == "call" and event["stage"] == "generate"]  # fmt: skip
    assert sum(seconds > 0.1 for seconds in calls) == 1


def test_nobody_at_an_address_is_told_at_once(unused_port):
    code = (
        "from phyrefine import RayCluster; from phyrefine.errors import ConnectionFaultError\n"
        "try: RayCluster('127.0.0.1:%d').workers\n"
        "except ConnectionFaultError as error: print(error)"
    )
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code % unused_port], capture_output=True,
                          text=True, timeout=120)  # fmt: skip
    assert "No Ray cluster answers at '127.0.0.1:" in done.stdout, done.stderr[-2000:]
    assert time.monotonic() - begun < 60  # Ray alone tries for many minutes


def test_who_answers_otherwise_is_told_of_tokens(monkeypatch):
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)

    class Ray:
        def is_initialized(self):
            return False

        def init(self, **_):
            raise ConnectionError("Failed to connect")

    monkeypatch.setattr(connecting, "ray_module", Ray)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ConnectionFaultError, match="RAY_AUTH_MODE=token"):
            connecting.connect(address, {})
    with pytest.raises(ConnectionFaultError, match="No Ray cluster answers"):
        connecting.connect("auto", {})


@pytest.fixture
def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_a_second_driver_is_refused_by_name(cluster, tmp_path):
    with (
        cluster.guarding(tmp_path),
        pytest.raises(RunLockedError, match=rf"in use by process {os.getpid()} on "),
        guarded(str(tmp_path.resolve()), patience=0.0),
    ):
        pytest.fail("two drivers at once")
    with guarded(str(tmp_path.resolve()), patience=60.0):
        pass


def test_all_processes_share_one_pacer_for_each_model(cluster):
    import ray

    host_on_cluster()
    key = ("openai", "http://somewhere", f"model-{time.time_ns()}")
    limit = RateLimitedError("slow down", retry_after=9.0)

    @ray.remote(num_cpus=0)
    def elsewhere(report):
        return ClusterPacer(key).pace(report)

    told = Report("limited", "a", 0.0, limit, seconds=900.0)
    ray.get(elsewhere.remote(told))
    held = ClusterPacer(key).pace(Report("ready", "b", 0.0))
    assert 600 < held.wait <= 900
    assert ray.get(elsewhere.remote(Report("ready", "c", 0.0))).wait > 600


def test_a_budget_holds_on_a_cluster(cluster):
    poor = refiner(cluster.generator(MovingDot()), budget=Budget(clips=3))
    refined = poor.refine_many(SCENES, on=cluster, workers=1)
    assert "budget" in {one.stopped_by for one in refined}
    assert sum(len(one.attempts) for one in refined) == 3


def test_workers_without_work_make_room_for_others(machines, cluster, monkeypatch):
    monkeypatch.setattr(fleets, "TOLD_SECONDS", 5.0)
    with RayCluster(machines.address, generators=2, resources={"room": 1.0}) as narrow:
        for way in ("one", "two", "three"):  # 2 workers each, and room for 4
            there = narrow.generator(MovingDot(identity=way))
            assert refiner(there).refine(SCENES[0]).stopped_by == "loop_limit"


@pytest.mark.parametrize("held", [True, False], ids=["held", "never"])
def test_a_fleet_that_finds_no_room_ends_with_what_was_asked_and_what_there_is(
    machines, cluster, monkeypatch, held
):
    monkeypatch.setattr(fleets, "TOLD_SECONDS", 0.5)
    asked = {"room": 1.0 if held else 50.0}
    with contextlib.ExitStack() as stack:
        if held:  # by another object of this process, which knows nothing of this one
            other = stack.enter_context(
                RayCluster(machines.address, generators=4, resources={"room": 1.0})
            )
            there = other.generator(MovingDot(identity="holder")).fleet
            there.described()
            wait_for(lambda: len(there.everyone()) == 4)
        poor = stack.enter_context(
            RayCluster(machines.address, generators=1, resources=asked, patience=2.0)
        )
        with pytest.raises(GenerationError, match="No worker has found room") as caught:
            poor.generator("cluster_backends:MovingDot").generate(None)
    said = str(caught.value)
    assert f"'room': {asked['room']}" in said
    assert "The cluster has" in said
    assert "'room': 4.0" in said
    assert "patience" in said


def test_loading_takes_as_long_as_it_takes(machines, cluster, tmp_path):
    slow = f"cluster_backends:SlowToLoad?folder={tmp_path}"
    with RayCluster(machines.address, generators=1) as made:
        there = made.generator(slow)
        said = []
        asking = threading.Thread(target=lambda: said.append(there.identity), daemon=True)
        asking.start()
        wait_for((tmp_path / "begun").exists)
        there.fleet.patience = 0.1
        asking.join(10 * fleets.WAKE_SECONDS)
        assert asking.is_alive()
        (tmp_path / "go").touch()
        asking.join(60.0)
        assert said == ["moving-dot"]


def test_the_benchmark_on_a_cluster_equals_the_benchmark(machines, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    words = ["bench", "physics-iq", "--data", str(tmp_path / "data"), "--make-scenes", "1",
             "--fps", "8", "--size", "48", "64", "--loops", "1", "--steps", "2"]  # fmt: skip
    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    more = ["--ray", machines.address, "--ray-generators", "2"]
    assert main([*words, "--out", str(tmp_path / "many"), *more]) == 0
    one, many = (made(tmp_path / name) for name in ("one", "many"))
    assert len(one) > 6
    assert one == many


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("videophy-2", {"videophy2_test.csv": "caption,action,category,is_hard\n"
                        "A red ball drops to the floor.,act,activity,1\n"
                        "A cup full of tea tips over.,act,object_interactions,0\n"}),
        ("phygenbench", {"PhyGenBench/prompts.json": json.dumps([
            {"caption": "A torch shines on a box.", "physical_laws": "A shadow appears",
             "sub_category": "Direct Radiation", "main_category": "Light"},
            {"caption": "A ball rolls off a table.", "physical_laws": "Due to gravity it falls",
             "sub_category": "Gravity", "main_category": "Force"},
        ])}),
    ],
)  # fmt: skip
def test_a_judged_benchmark_on_a_cluster_equals_it_without(machines, tmp_path, name, rows):
    for path, text in rows.items():
        (tmp_path / "data" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / path).write_text(text)
    own = "cluster_backends:"
    words = ["bench", name, "--data", str(tmp_path / "data"), "--generator", f"{own}MovingDot",
             "--vlm", f"{own}Talker", "--llm", f"{own}Talker", "--seconds", "1", "--fps", "8",
             "--size", "32", "32", "--seeds", "0,1", "--judge", "general",
             "--judge-vlm", f"{own}Talker"]  # fmt: skip
    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    more = ["--ray", machines.address, "--ray-generators", "2"]
    assert main([*words, "--out", str(tmp_path / "many"), *more]) == 0
    one, many = (made(tmp_path / kind) for kind in ("one", "many"))
    assert sum(path.endswith(".mp4") for path in one) == 8
    assert one == many


def test_killed_again_and_again_the_result_is_that_of_one_process(tmp_path):
    script = HERE.parents[2] / "benchmarks" / "cluster_kills.py"
    words = ["--scenarios", "3", "--candidates", "2", "--kills", "4"]
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), *words], capture_output=True, text=True,
        timeout=1500,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    assert "18 result files, all equal" in done.stdout


def made(folder):
    """Bytes of everything but the run folder, which holds times; paths are told from the folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes().replace(bytes(folder), b"OUT")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] != "run"
    }


def wait_for(condition, seconds=120.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)
