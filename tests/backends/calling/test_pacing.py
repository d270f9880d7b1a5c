"""Workers on a quota: none is lost, they come back one by one, and one pacer can serve a cluster."""

import math
import pickle
import random

import pytest
from faulty_server import FakeClock, Quota, Script, TeamClock, asks, team

from phyrefine import errors
from phyrefine.backends.calling import pacing
from phyrefine.backends.calling.caller import Caller
from phyrefine.backends.calling.pacing import LocalPacer, Pace, Report
from phyrefine.backends.calling.policy import Fault, FaultSignalError, Policy
from phyrefine.backends.loopback import google_error, openai_error
from phyrefine.types import Question

WORDS = Question("compose", "A ball falls.", "Rewrite it.")


def retry_info(seconds):
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{seconds:.3f}s"}
    return google_error(429, "RESOURCE_EXHAUSTED", "slow", info)


def retry_after(seconds):
    return openai_error(429, "slow", headers={"Retry-After": str(math.ceil(seconds))})


def limited(seconds=None):
    return errors.RateLimitedError("slow.", provider="p", model="m", retry_after=seconds)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("api", "limit", "workers", "requests", "seconds"),
    [("gemini", retry_info, 12, 5, 2), ("openai", retry_after, 12, 5, 2),
     ("openai", retry_after, 12, 30, 60), ("gemini", retry_info, 24, 2, 10)],
)  # fmt: skip
def test_workers_on_a_small_quota_lose_nothing(
    request, server, api, limit, workers, requests, seconds
):
    clock = TeamClock(workers)
    server.interfere = quota = Quota(clock, requests, seconds, limit)
    asker = request.getfixturevalue(api)(clock=clock)
    results = team(workers, lambda _: [asker.ask(WORDS).text for _ in range(2)], clock)
    assert [error for error in results if isinstance(error, Exception)] == []
    assert len(quota.passed) == 2 * workers
    assert quota.refused <= 2 * workers
    # Not much slower than the quota allows.
    ideal = (2 * workers / requests - 1) * seconds
    assert clock.now() - 1000 <= max(2 * ideal, ideal + 2 * seconds)


def test_a_limit_without_a_hint_costs_retries_and_few_are_lost_to_it():
    """Nobody says when to come back: the pace is learned all the same."""
    clock = TeamClock(12)
    quota = Quota(clock, 5, 2, lambda _: limited())

    def send(_):
        refused = quota(None)
        if refused is not None:
            raise FaultSignalError(Fault(refused))
        return "ok"

    pacer = LocalPacer()
    callers = [Caller(pacer, lambda _: None, Policy(), clock, lambda: 0.5) for _ in range(12)]
    results = team(12, lambda index: callers[index].call(send).value, clock)
    assert results == ["ok"] * 12


def test_limits_that_come_at_random_slow_nobody_down_for_long():
    """Some gateways limit whom they please: a pace learned from that must not run away."""
    clock, chance = TeamClock(6), random.Random(3)

    def send(_):
        if chance.random() < 0.3:
            raise FaultSignalError(Fault(limited(1.0)))
        return "ok"

    pacer = LocalPacer()
    callers = [Caller(pacer, lambda _: None, Policy(), clock, lambda: 0.5) for _ in range(6)]
    results = team(6, lambda index: [callers[index].call(send).value for _ in range(10)], clock)
    assert results == [["ok"] * 10] * 6
    assert clock.now() - 1000 < 2.5 * 60


@pytest.mark.slow
def test_a_hint_uses_up_time_and_no_retries(gemini, server, clock):
    server.interfere = Script([retry_info(5) for _ in range(9)])
    assert gemini(max_retries=1).ask(WORDS).text
    assert len(asks(server)) == 10
    assert sum(clock.waits) < 300


@pytest.mark.slow
def test_a_limit_that_never_ends_ends_with_the_budget(gemini, server, clock):
    server.interfere = Script([retry_info(1)], forever=True)
    with pytest.raises(errors.RateLimitedError, match="budget 300 s"):
        gemini().ask(WORDS)
    assert len(asks(server)) <= 14
    assert sum(clock.waits) <= 301


def test_a_hint_of_no_time_is_no_hint(openai, server):
    server.interfere = Script([openai_error(429, "slow", headers={"Retry-After": "0"})],
                              forever=True)  # fmt: skip
    with pytest.raises(errors.RateLimitedError):
        openai(max_retries=2).ask(WORDS)
    assert len(asks(server)) == 3


class TestOneByOne:
    def paced(self):
        """A pacer that has learned 1 request in 2 seconds, at second 10."""
        pacer = LocalPacer()
        for name in "ab":
            pacer.pace(Report("ready", name, 0.0))
            pacer.pace(Report("answered", name, 1.0))
        pacer.pace(Report("limited", "c", 1.0, limited(3), seconds=3))
        return pacer

    def test_they_come_in_order_at_the_learned_pace(self):
        pacer = self.paced()
        waits = [pacer.pace(Report("ready", name, 4.0)).wait for name in "cde"]
        assert waits == [0, 2, 4]
        assert pacer.pace(Report("ready", "e", 6.0)).wait == pytest.approx(2)
        assert pacer.pace(Report("ready", "d", 6.0)).wait == 0
        assert pacer.pace(Report("ready", "e", 8.0)).wait == 0

    def test_answers_make_it_faster(self):
        pacer = self.paced()
        pacer.pace(Report("ready", "c", 4.0))
        for _ in range(40):
            pacer.pace(Report("answered", "c", 4.0))
        pacer.pace(Report("ready", "c", 6.0))
        assert pacer.pace(Report("ready", "d", 6.0)).wait == pytest.approx(2 * pacing.RECOVERY**40)

    def test_who_is_gone_or_left_holds_nobody(self):
        pacer = self.paced()
        for name in "cdef":
            pacer.pace(Report("ready", name, 4.0))
        pacer.pace(Report("left", "e", 5.0))
        # d was due at 6 and never came back.
        assert pacer.pace(Report("ready", "f", 12.0)).wait == 0

    def test_idle_time_does_not_count_for_the_rate(self):
        pacer = LocalPacer()
        pacer.pace(Report("ready", "a", 0.0))
        pacer.pace(Report("answered", "a", 1.0))
        for name in "abcde":
            pacer.pace(Report("ready", name, 3600.0))
            pacer.pace(Report("answered", name, 3600.0))
        pacer.pace(Report("limited", "f", 3600.0, limited(2), seconds=2))
        pacer.pace(Report("ready", "f", 3602.0))
        assert pacer.pace(Report("ready", "g", 3602.0)).wait == pytest.approx(2 / 5)


class Shared:
    """A pacer elsewhere, as a cluster has it: a small handle that can be pickled."""

    heard: list = []  # noqa: RUF012 - shared on purpose, as a handle's other end is

    def pace(self, report):
        self.heard.append(report.event)
        return Pace()


class TestHosts:
    def test_new_clients_take_their_pacers_from_the_host(self, openai, server):
        asked = []
        pacing.host_pacers(lambda key: asked.append(key) or Shared())
        try:
            vlm = openai("some-model")
            Shared.heard.clear()
            vlm.ask(WORDS)
        finally:
            pacing.host_pacers(None)
        assert asked == [("openai", server.openai_url, "some-model")]
        assert Shared.heard == ["ready", "answered"]

    def test_a_pacer_goes_to_another_process_without_its_state(self):
        pacer = LocalPacer()
        pacer.pace(Report("limited", "a", 0.0, limited(99), seconds=99))
        there = pickle.loads(pickle.dumps(pacer))
        assert there.pace(Report("ready", "b", 0.0)).wait == 0
        report = Report("limited", "a", 0.0, limited(9), seconds=9)
        assert pickle.loads(pickle.dumps(report)).error.retry_after == 9

    def test_clients_of_one_model_share_one(self):
        one = pacing.pacer_of("p", "http://h", "m")
        assert pacing.pacer_of("p", "http://h", "m") is one
        assert pacing.pacer_of("p", "http://h", "n") is not one


def test_a_wait_that_is_interrupted_leaves_the_queue():
    class Pressed(FakeClock):
        def sleep(self, seconds):
            raise KeyboardInterrupt

    pacer = LocalPacer()
    pacer.pace(Report("limited", "a", 1000.0, limited(9), seconds=9))
    with pytest.raises(KeyboardInterrupt):
        Caller(pacer, lambda _: None, Policy(), Pressed()).call(lambda _: "never")
    assert pacer._limit.queue == {}
