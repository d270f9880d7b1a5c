"""The retry layer and the pacer that all workers of a model share, without any network."""

import signal
import threading
import time

import pytest
from faulty_server import FakeClock

from phyrefine import errors
from phyrefine.backends.calling.caller import Caller, within
from phyrefine.backends.calling.pacing import LocalPacer, Report
from phyrefine.backends.calling.policy import Fault, FaultSignalError, OverdueError, Policy
from phyrefine.types import Usage


def fault(kind=errors.OverloadedError, **more):
    hint = more.pop("retry_after", None)
    unwell = more.pop("unwell", kind is errors.OverloadedError)
    error = kind("busy.", provider="p", model="m", retry_after=hint)
    return FaultSignalError(Fault(error, unwell=unwell, **more))


def limited():
    return errors.RateLimitedError("slow.", provider="p", model="m")


class Line:
    """A service that does what it is told, in order."""

    def __init__(self, *plays):
        self.plays, self.sent = list(plays), 0

    def __call__(self, limit):
        self.sent += 1
        play = self.plays.pop(0) if len(self.plays) > 1 else self.plays[0]
        if isinstance(play, BaseException):
            raise play
        return play


def caller(pacer=None, clock=None, jitter=0.0, **policy):
    def classify(raised):
        return Fault(errors.ServerFaultError(f"{raised}", provider="p", model="m"))

    return Caller(
        pacer or LocalPacer(),
        classify,
        Policy(**policy),
        clock or FakeClock(),
        jitter=lambda: jitter,
    )


class TestCircuit:
    def test_a_service_that_never_worked_opens_none(self):
        clock = FakeClock()
        with pytest.raises(errors.OverloadedError):
            caller(clock=clock, trip_after=2, jitter=0.5).call(Line(fault()))
        assert clock.waits == [0.5, 1, 2, 4]

    def test_an_outage_pauses_the_call_and_does_not_fail_it(self, caplog):
        pacer, clock, line = LocalPacer(), FakeClock(), Line("ok", *[fault()] * 7, "back")
        client = caller(pacer, clock, trip_after=3, jitter=0.5)
        assert client.call(line).value == "ok"
        done = client.call(line)
        assert (done.value, done.tries) == ("back", 8)
        # Two waits of its own, then the pacer's probes at growing intervals.
        assert clock.waits == pytest.approx([0.5, 1, *(1.05 * t for t in (15, 30, 60, 120, 240))])
        assert "failed 3 times in a row" in caplog.text

    def test_an_outage_that_lasts_ends_in_the_fault(self):
        pacer, clock = LocalPacer(), FakeClock()
        client = caller(pacer, clock, trip_after=3, outage=100)
        client.call(Line("ok"))
        line = Line(fault())
        with pytest.raises(errors.OverloadedError) as caught:
            client.call(line)
        assert caught.value.attempts == line.sent == 6
        assert caught.value.usage.calls == 6
        assert clock.now() - 1000 >= 100

    def test_after_an_outage_calls_fail_at_once_but_for_probes(self):
        pacer, clock = LocalPacer(), FakeClock()
        client = caller(pacer, clock, trip_after=3, outage=100, max_retries=0)
        client.call(Line("ok"))
        line = Line(fault())
        for _ in range(3):
            with pytest.raises(errors.OverloadedError):
                client.call(line)
        sent = line.sent
        with pytest.raises(errors.OverloadedError, match="Not asked again: no answer for"):
            client.call(line)
        assert line.sent == sent
        clock.time += 1000  # the user comes back later, in the same process
        assert client.call(Line("ok again")).value == "ok again"
        assert client.call(Line("and again")).value == "and again"

    def test_an_interrupted_probe_leaves_the_gate_to_others(self):
        pacer, clock = LocalPacer(), FakeClock()
        client = caller(pacer, clock, trip_after=1, outage=100, max_retries=0)
        client.call(Line("ok"))
        pacer.pace(Report("unwell", "w", clock.now(), fault().fault.error, trip_after=1))
        assert pacer._circuit.open_since is not None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("phyrefine.backends.calling.caller.within", _interrupted)
            with pytest.raises(KeyboardInterrupt):
                client.call(Line("never asked"))
        assert client.call(Line("ok")).value == "ok"
        assert pacer._circuit.open_since is None

    def test_one_worker_probes_while_the_others_wait(self):
        pacer, error = LocalPacer(), fault().fault.error
        pacer.pace(Report("answered", "a", 0))
        assert pacer.pace(Report("unwell", "a", 0, error, trip_after=1)).is_open
        assert pacer.pace(Report("ready", "a", 20)).wait == 0
        assert pacer.pace(Report("ready", "b", 20)).wait == 1
        pacer.pace(Report("answered", "a", 20))
        assert pacer.pace(Report("ready", "b", 20)).wait == 0


def _interrupted(*_):
    raise KeyboardInterrupt


class TestRateLimit:
    def test_a_429_holds_every_worker_of_the_model(self):
        pacer, clock = LocalPacer(), FakeClock()
        hit = caller(pacer, clock)
        hit.call(Line(fault(errors.RateLimitedError, retry_after=17), "ok"))
        assert clock.waits == [17]
        pacer.pace(Report("limited", "other", clock.now(), limited(), seconds=17))
        other = caller(pacer, clock, jitter=0.5)
        other.call(Line("ok"))
        assert clock.waits[1:] == pytest.approx([17 * 1.05])

    @pytest.mark.slow
    def test_real_threads_wait_too_and_do_not_come_back_together(self):
        pacer, sent, lock = LocalPacer(), [], threading.Lock()
        first = threading.Event()

        def send(limit):
            with lock:
                sent.append(time.monotonic())
                limited = not first.is_set()
                first.set()
            if limited:
                raise fault(errors.RateLimitedError, retry_after=0.3)
            return "ok"

        def work(jitter):
            Caller(pacer, lambda _: None, Policy(), jitter=lambda: jitter).call(send)

        leader = threading.Thread(target=work, args=(0.0,))
        leader.start()
        first.wait(5)
        time.sleep(0.05)
        others = [threading.Thread(target=work, args=(share,)) for share in (0.2, 0.6, 1.0)]
        for thread in others:
            thread.start()
        for thread in [leader, *others]:
            thread.join(10)
        assert len(sent) == 5
        assert min(sent[1:]) - sent[0] >= 0.29

    def test_a_pause_longer_than_the_budget_is_no_wait(self):
        pacer, clock = LocalPacer(), FakeClock()
        pacer.pace(Report("limited", "other", clock.now(), limited(), seconds=1000))
        line = Line("ok")
        with pytest.raises(errors.RateLimitedError, match="paused for 1000 s more"):
            caller(pacer, clock).call(line)
        assert (line.sent, clock.waits) == (0, [])


class TestBudgets:
    def test_the_budget_of_a_call_ends_it_before_the_retries_do(self):
        clock = FakeClock()
        with pytest.raises(errors.OverloadedError, match="asked to wait 8 s, budget 8 s"):
            caller(clock=clock, jitter=1, max_retries=50, retry_budget=8).call(Line(fault()))
        assert clock.waits == [1, 2, 4]

    def test_a_try_gets_no_more_than_what_is_left(self):
        clock, limits = FakeClock(), []

        def send(limit):
            limits.append(limit)
            clock.time += 50
            raise fault()

        with pytest.raises(errors.OverloadedError):
            caller(clock=clock, retry_budget=120, timeout=60).call(send)
        assert limits == [60, 60, 20]

    def test_a_try_that_the_budget_cut_short_says_so(self):
        hold = threading.Event()
        client = caller(clock=None, retry_budget=0.05, max_retries=0)
        try:
            with pytest.raises(errors.BackendTimeoutError, match=r"0\.05 s\. Raise retry_budget="):
                client.call(lambda limit: hold.wait(10))
        finally:
            hold.set()

    def test_waits_double_up_to_the_longest(self):
        clock = FakeClock()
        with pytest.raises(errors.OverloadedError):
            caller(clock=clock, jitter=1, max_retries=9, retry_budget=1e6).call(Line(fault()))
        assert clock.waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]

    def test_failed_tries_are_counted_with_what_they_took(self):
        took = Usage(calls=1, tokens={"input": 7}, usd=None)
        lines = Line(fault(usage=took), fault(usage=Usage(calls=1)), fault(sent=False), fault(), 1)
        done = caller().call(lines)
        assert (done.tries, done.usage) == (5, Usage(3, {"input": 7}, usd=None))


class TestCtrlC:
    @pytest.mark.parametrize("where", ["waiting", "asking"])
    def test_40_it_wakes_at_once(self, where):
        plays = {"waiting": fault(retry_after=60), "asking": None}
        hold = threading.Event()

        def send(limit):
            if plays[where] is not None:
                raise plays[where]
            hold.wait(60)

        pacer = LocalPacer()
        client = Caller(pacer, lambda _: None, Policy())
        press = (threading.main_thread().ident, signal.SIGINT)
        alarm = threading.Timer(0.3, signal.pthread_kill, press)
        began = time.monotonic()
        alarm.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                client.call(send)
        finally:
            hold.set()
            alarm.join()
        assert time.monotonic() - began < 30


class TestDeadline:
    def test_a_late_result_goes_to_discard(self):
        late, got = threading.Event(), []

        def work():
            late.wait(5)
            return "late"

        with pytest.raises(OverdueError):
            within(0.05, work, got.append)
        late.set()
        deadline = time.monotonic() + 5
        while not got and time.monotonic() < deadline:
            time.sleep(0.01)
        assert got == ["late"]

    def test_foreign_text_in_a_traceback_is_cut_and_without_keys(self):
        from phyrefine._secrets import hide

        hide("key-0123456789-do-not-tell")
        echo = "key-0123456789-do-not-tell data:image/jpeg;base64," + "A" * 9000 + "x y" * 2000
        with pytest.raises(errors.ServerFaultError) as caught:
            caller(max_retries=0).call(Line(ValueError(echo)))
        (said,) = caught.value.__cause__.args
        assert "do-not-tell" not in said
        assert "AAAA" not in said
        assert len(said) <= 2000
