"""No device waits while services answer: the real loop, pool, fleet and worker on a made-up clock."""

import json
import threading

import pytest
from simulated import Simulated

from phyrefine import Scenario, SelfRefiner
from phyrefine.adapt import as_llm
from phyrefine.refine.convergence import MaxLoops
from phyrefine.run.cluster import fleet as fleets
from phyrefine.run.cluster import remote as remotes
from phyrefine.run.cluster import worker as workers
from phyrefine.run.cluster.fleet import Fleet, Needs
from phyrefine.run.cluster.recipe import Recipe
from phyrefine.run.cluster.remote import RemoteGenerator
from phyrefine.run.limited import PooledGenerator
from phyrefine.testing import MovingDot, moving_clip
from phyrefine.types import Answer

RENDER, LOOPS, QUESTIONS = 60.0, 2, 2


class Sleeper:
    """Notes when each of its clips begins and ends, and on which worker."""

    def __init__(self, clock):
        self.clock, self.inner, self.clips = clock, MovingDot(), []
        self.profile, self.identity = self.inner.profile, self.inner.identity

    def generate(self, shot):
        begun = self.clock.monotonic()
        self.clock.sleep(RENDER)
        self.clips.append((threading.get_ident(), begun, self.clock.monotonic()))
        return self.inner.generate(shot)


class Service:
    """A VLM and an LLM that answer a loop's two questions in half a render."""

    identity = "service"

    def __init__(self, clock):
        self.clock, self.calls, self.last_begun = clock, 0, 0.0
        self.writer = as_llm("world")

    def ask(self, question):
        self.calls += 1
        calls = self.calls  # each answer is new, so that no loop converges
        if question.stage == "predict":
            self.last_begun = self.clock.monotonic()
            said = {"scene": "", "domains": [], "events": [], "prediction": f"It moves, {calls}."}
        if question.stage == "critique":
            fault = {"law": "Inertia", "what": "it slows", "start": 1.5, "end": None, "where": "",
                     "severity": 0.5, "confidence": 0.5}  # fmt: skip
            said = {"observed": "", "moving": True, "corrected": f"On, {calls}.",
                    "violations": [fault]}  # fmt: skip
        self.clock.sleep(0.5 * RENDER / QUESTIONS)
        if question.stage == "compose":
            return self.writer.ask(question)
        return Answer(json.dumps(said))


@pytest.fixture
def at_work(monkeypatch):
    """Runs scenarios on workers; gives all clips, and when the last scenario began."""
    clocks = []

    def run(count, in_flight, scenarios):
        clock = Simulated(scenarios=in_flight, slots=2 * count)
        clocks.append(clock)
        for module in (fleets, remotes, workers):
            monkeypatch.setattr(module, "time", clock)
        for module in (fleets, remotes):
            monkeypatch.setattr(module, "ray_module", lambda: clock)
        monkeypatch.setattr(workers, "host_on_cluster", lambda: None)
        plain = PooledGenerator.generate

        def generate(self, shot):
            clock.wants()
            return plain(self, shot)

        monkeypatch.setattr(PooledGenerator, "generate", generate)
        sleeper, service = Sleeper(clock), Service(clock)
        fleet = Fleet(Recipe(backend=sleeper), count, Needs())
        fleet.described()
        until = threading.Event()
        while len(fleet.everyone()) < count:
            until.wait(0.01)
        refiner = SelfRefiner(service, service, RemoteGenerator(fleet), ensemble="last",
                              convergence=MaxLoops(LOOPS), baseline=False,
                              max_concurrency=64)  # fmt: skip
        scenes = [Scenario(f"Dot {number} moves.", moving_clip(24), seconds=1.0, name=f"{number}")
                  for number in range(scenarios)]  # fmt: skip
        threading.Thread(target=clock.run, daemon=True).start()
        refined = refiner.refine_many(scenes, workers=in_flight)
        fleet.close()
        assert [one.stopped_by for one in refined] == ["loop_limit"] * scenarios
        assert service.calls == scenarios * 2 * (LOOPS + 1)
        return sleeper.clips, service.last_begun

    yield run
    for clock in clocks:
        clock.end()


def idle(clips, until):
    """Share of device time without a clip, from the first clip's begin."""
    since = min(begun for _, begun, _ in clips)
    devices = len({device for device, *_ in clips})
    busy = sum(min(ended, until) - begun for _, begun, ended in clips if begun < until)
    return 1 - busy / devices / (until - since)


@pytest.mark.parametrize("count", [3, 4])
def test_eight_scenarios_keep_every_device_at_work(at_work, count):
    clips, last_begun = at_work(count, in_flight=8, scenarios=10 * count)
    assert len(clips) == 10 * count * LOOPS
    assert len({device for device, *_ in clips}) == count
    assert idle(clips, last_begun) < 0.02


def test_with_too_few_scenarios_devices_do_wait(at_work):
    clips, last_begun = at_work(3, in_flight=3, scenarios=9)
    assert idle(clips, last_begun) > 0.2
