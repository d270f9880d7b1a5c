"""Metered, limited, pooled, falling back, and the order of them all."""

import logging
import threading
import time

import pytest
from run_helpers import Clock

from phyrefine.adapt import as_vlm
from phyrefine.errors import (
    AuthError,
    BlockedError,
    BudgetExceededError,
    InvalidInputError,
    OverloadedError,
    QuotaExceededError,
)
from phyrefine.identities import UnnamedError, identified
from phyrefine.protocols import LLM, VLM, StreamingGenerator, VideoGenerator, identity
from phyrefine.run.budget.meter import Meter
from phyrefine.run.budget.metered import MeteredAsker, MeteredGenerator
from phyrefine.run.budget.prices import PriceTable
from phyrefine.run.fallback import WithFallback
from phyrefine.run.limited import LimitedAsker, PooledGenerator
from phyrefine.run.store.store import FolderStore, MemoryStore
from phyrefine.run.wrappers import wrap_asker, wrap_generator
from phyrefine.testing import (
    MovingDot,
    ScriptedAsker,
    StreamingDot,
    check_generator,
    check_llm,
    check_vlm,
)
from phyrefine.types import Answer, Budget, Prompt, Question, Shot, Usage

QUESTION = Question("critique", "what is wrong?")
SHOT = Shot(Prompt("a dot"), seconds=3.0, fps=24.0, size=(16, 16))


class Ears:
    def __init__(self):
        self.heard = []

    def on_event(self, event, details):
        self.heard.append((event, dict(details)))


def asker(*replies, name="scripted"):
    return ScriptedAsker(list(replies), identity=name)


class TestMetered:
    def test_counts_time_tokens_and_costs(self):
        clock = Clock()

        class Model:
            def ask(self, question):
                clock.passes(2.5)
                return Answer("x", "m-001", Usage(1, {"input": 2_000_000}, seconds=99))

        prices = PriceTable({"m": {"input": 1.0, "output": 1.0}})
        meter = Meter(prices=prices, clock=clock)
        answer = MeteredAsker(Model(), meter).ask(QUESTION)
        assert answer.usage == Usage(1, {"input": 2_000_000}, seconds=2.5, usd=2.0)
        assert meter.stages == {"critique": answer.usage}

    def test_a_call_that_counts_nothing_counts_as_one(self):
        meter = Meter()
        MeteredAsker(asker(Answer("x")), meter).ask(QUESTION)
        assert meter.usage.calls == 1
        assert meter.usage.usd == 0.0

    def test_the_price_of_the_model_asked_will_do(self):
        model = asker(Answer("x", "renamed", Usage(1, {"input": 1_000_000})))
        model_with_name = type("Named", (), {"ask": model.ask, "model": "m", "identity": "n"})()
        meter = Meter(prices=PriceTable({"m": {"input": 3.0}}))
        assert MeteredAsker(model_with_name, meter).ask(QUESTION).usage.usd == 3.0

    def test_unknown_price(self):
        meter = Meter(prices=PriceTable(library=False))
        said = Answer("x", "m", Usage(1, {"input": 1}))
        assert MeteredAsker(asker(said), meter).ask(QUESTION).usage.usd is None

    def test_a_local_model_costs_nothing(self):
        model = asker(Answer("x", "m", Usage(1, {"input": 1})))
        local = type("Local", (), {"ask": model.ask, "billed": False, "identity": "local"})()
        meter = Meter(prices=PriceTable(library=False))
        assert MeteredAsker(local, meter).ask(QUESTION).usage.usd == 0.0

    def test_failed_calls_count_what_they_took(self):
        took = Usage(3, {"input": 1_000_000})
        fault = OverloadedError("busy", attempts=3, usage=took)
        meter = Meter(prices=PriceTable({"m": {"input": 1.0}}))
        model = asker(fault, OverloadedError("busy", attempts=2), ValueError("bug"))
        named = type("Named", (), {"ask": model.ask, "model": "m", "identity": "n"})()
        metered = MeteredAsker(named, meter)
        for kind in (OverloadedError, OverloadedError, ValueError):
            with pytest.raises(kind):
                metered.ask(QUESTION)
        assert meter.usage.calls == 3 + 2 + 1
        assert meter.usage.tokens == {"input": 1_000_000}
        assert meter.usage.usd == 1.0

    def test_the_budget_is_checked_before_the_call_and_its_answer_is_used(self):
        model = asker("one", "two", "three")
        metered = MeteredAsker(model, Meter(Budget(calls=2)))
        assert [metered.ask(QUESTION).text for _ in range(2)] == ["one", "two"]
        with pytest.raises(BudgetExceededError):
            metered.ask(QUESTION)
        assert len(model.asked) == 2

    def test_every_call_is_told_and_a_broken_listener_does_no_harm(self, caplog):
        class Broken:
            def on_event(self, event, details):
                raise RuntimeError("deaf")

        ears = Ears()
        metered = MeteredAsker(asker("one", OverloadedError("busy")), Meter(), (Broken(), ears))
        metered.ask(QUESTION)
        with pytest.raises(OverloadedError):
            metered.ask(QUESTION)
        assert [event for event, _ in ears.heard] == ["call", "call"]
        assert ears.heard[0][1]["stage"] == "critique"
        assert ears.heard[0][1]["error"] is None
        assert "OverloadedError: busy" in ears.heard[1][1]["error"]
        assert "deaf" in caplog.text

    def test_a_generators_time_is_gpu_time(self):
        clock = Clock()
        meter = Meter(clock=clock)
        dot = MovingDot(fail=lambda shot: clock.passes(2.5))
        MeteredGenerator(dot, meter).generate(SHOT)
        assert meter.stages == {
            "generate": Usage(1, seconds=2.5, gpu_seconds=2.5, clips=1.0, chunks=1)
        }

    def test_a_failed_clip_counts_its_time(self):
        clock = Clock()
        meter = Meter(clock=clock)

        def fail(shot):
            clock.passes(2.5)
            raise OverloadedError("out of memory")

        with pytest.raises(OverloadedError):
            MeteredGenerator(MovingDot(fail=fail), meter).generate(SHOT)
        assert meter.usage.gpu_seconds == 2.5

    def test_a_hosted_generators_costs_are_unknown(self):
        meter = Meter()
        dot = MovingDot()
        hosted = type(
            "Hosted", (), {"generate": dot.generate, "profile": dot.profile, "billed": True}
        )()
        MeteredGenerator(hosted, meter).generate(SHOT)
        assert meter.usage.usd is None

    def test_a_stream_stops_between_chunks_when_the_budget_is_spent(self):
        clock = Clock()
        meter = Meter(Budget(gpu_seconds=2), clock=clock)
        dot = StreamingDot(fail=lambda index: clock.passes(1))
        stream = MeteredGenerator(dot, meter).stream(SHOT)
        assert [next(stream), next(stream)]
        with pytest.raises(BudgetExceededError):
            next(stream)
        assert dot.made == [0, 1]
        assert meter.usage.calls == 1

    def test_a_budget_spent_by_the_last_chunk_does_not_lose_the_clip(self):
        clock = Clock()
        meter = Meter(Budget(gpu_seconds=3), clock=clock)
        dot = StreamingDot(fail=lambda index: clock.passes(1))
        assert len(list(MeteredGenerator(dot, meter).stream(SHOT))) == 3


class TestLimited:
    def most_at_once(self, make, calls=8):
        now, most, lock = [0], [0], threading.Lock()

        def busy():
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.01)
            with lock:
                now[0] -= 1

        act = make(busy)
        threads = [threading.Thread(target=act) for _ in range(calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return most[0]

    @pytest.mark.parametrize("limit", [1, 3])
    def test_asker(self, limit):
        def make(busy):
            class Busy:
                def ask(self, question):
                    busy()
                    return Answer("x")

            limited = LimitedAsker(Busy(), limit)
            return lambda: limited.ask(QUESTION)

        assert self.most_at_once(make) == limit

    @pytest.mark.parametrize("devices", [1, 2])
    def test_one_clip_per_device(self, devices):
        def make(busy):
            pool = PooledGenerator([MovingDot(fail=lambda shot: busy()) for _ in range(devices)])
            return lambda: pool.generate(SHOT)

        assert self.most_at_once(make) == devices

    def test_a_slot_comes_back_after_an_error(self):
        limited = LimitedAsker(asker(OverloadedError("busy"), "fine"), 1)
        with pytest.raises(OverloadedError):
            limited.ask(QUESTION)
        assert limited.ask(QUESTION).text == "fine"
        pool = PooledGenerator([StreamingDot(fail=lambda index: None)])
        stream = pool.stream(SHOT)
        next(stream)
        stream.close()
        assert pool.generate(SHOT) == StreamingDot().generate(SHOT)

    def test_a_pool_is_of_one_kind(self):
        with pytest.raises(InvalidInputError, match=r"moving-dot.*streaming-dot"):
            PooledGenerator([MovingDot(), StreamingDot()])
        with pytest.raises(InvalidInputError):
            PooledGenerator([])
        with pytest.raises(InvalidInputError):
            LimitedAsker(asker(), 0)


class TestFallingBack:
    def test_the_primary_first(self):
        second = asker("second", name="b")
        assert WithFallback(asker("first", name="a"), second).ask(QUESTION).text == "first"
        assert not second.asked

    @pytest.mark.parametrize("fault", [OverloadedError("busy"), BlockedError("no")])
    def test_a_passing_fault_asks_the_secondary_once(self, fault, caplog):
        first = asker(fault, "first", name="a")
        both = WithFallback(first, asker("second", name="b"))
        with caplog.at_level(logging.WARNING):
            assert both.ask(QUESTION).text == "second"
        assert type(fault).__name__ in caplog.text
        assert both.ask(QUESTION).text == "first"

    @pytest.mark.parametrize("fault", [AuthError("key"), QuotaExceededError("spent")])
    def test_a_lasting_fault_is_not_met_again(self, fault):
        first = asker(fault, "first", name="a")
        both = WithFallback(first, asker("second", name="b"))
        assert [both.ask(QUESTION).text for _ in range(3)] == ["second"] * 3
        assert len(first.asked) == 1

    def test_when_both_fail_the_error_tells_of_both(self):
        both = WithFallback(
            asker(OverloadedError("busy"), name="a"), asker(AuthError("no key"), name="b")
        )
        with pytest.raises(AuthError, match="no key") as caught:
            both.ask(QUESTION)
        assert caught.value.__notes__ == ["a had failed before: OverloadedError: busy"]
        assert isinstance(caught.value.__cause__, OverloadedError)

    def test_bugs_and_budgets_are_not_covered_up(self):
        for fault in (ValueError("bug"), BudgetExceededError("spent"), KeyboardInterrupt()):
            second = asker("second")
            with pytest.raises(type(fault)):
                WithFallback(asker(fault), second).ask(QUESTION)
            assert not second.asked

    def test_a_resumed_run_repeats_the_secondarys_answer(self, tmp_path):
        def run(*replies):
            first = asker(*replies, name="a")
            second = asker("from b", name="b")
            both = WithFallback(first, second)
            wrapped = wrap_asker(both, store=FolderStore(tmp_path), meter=Meter())
            return wrapped.ask(QUESTION).text, len(first.asked), len(second.asked)

        assert run(OverloadedError("busy")) == ("from b", 1, 1)
        assert run("from a") == ("from b", 0, 0)

    def test_each_side_keeps_its_own_answers(self):
        store = MemoryStore()
        both = WithFallback(asker(OverloadedError("busy"), name="a"), asker("from b", name="b"))
        wrap_asker(both, store=store, meter=Meter()).ask(QUESTION)
        alone = wrap_asker(asker("other", name="b"), store=store, meter=Meter())
        assert alone.ask(QUESTION).text == "from b"
        primary = wrap_asker(asker("from a", name="a"), store=store, meter=Meter())
        assert primary.ask(QUESTION).text == "from a"


class TestOrder:
    def test_wrapped_backends_keep_their_contracts(self):
        store = MemoryStore()
        wrapped = wrap_asker(asker("x"), store=store, meter=Meter())
        check_vlm(wrapped)
        check_llm(wrapped)
        both = wrap_asker(WithFallback(asker("x"), asker("y")), store=store, meter=Meter())
        check_llm(both)
        assert isinstance(wrapped, VLM)
        assert isinstance(both, LLM)
        check_generator(wrap_generator(MovingDot(), store=store, meter=Meter()))
        streaming = wrap_generator(StreamingDot(), store=store, meter=Meter())
        check_generator(streaming)
        assert isinstance(streaming, VideoGenerator)
        assert isinstance(streaming, StreamingGenerator)

    def test_the_identity_is_the_backends(self):
        store, meter = MemoryStore(), Meter()
        assert identity(wrap_asker(asker("x", name="a"), store=store, meter=meter)) == "a"
        wrapped = wrap_generator([StreamingDot(), StreamingDot()], store=store, meter=meter)
        assert identity(wrapped) == "streaming-dot"
        assert wrapped.profile == StreamingDot().profile

    def test_a_stored_answer_takes_neither_money_nor_a_slot(self):
        store, release, entered = MemoryStore(), threading.Event(), threading.Event()

        class Slow:
            identity = "slow"

            def ask(self, question):
                if question.text == "hang":
                    entered.set()
                    release.wait(10)
                return Answer("x")

        meter = Meter(Budget(calls=2))
        wrapped = wrap_asker(Slow(), store=store, meter=meter, max_concurrency=1)
        wrapped.ask(QUESTION)
        hanging = threading.Thread(target=wrapped.ask, args=(Question("judge", "hang"),))
        hanging.start()
        entered.wait(10)
        assert wrapped.ask(QUESTION).text == "x"
        release.set()
        hanging.join()
        assert meter.exceeded
        assert wrapped.ask(QUESTION).text == "x"
        assert meter.usage.calls == 2
        assert meter.usage.saved_calls == 2

    def test_waiting_for_a_slot_is_not_counted_as_time_in_the_backend(self):
        class Napping:
            identity = "napping"

            def ask(self, question):
                time.sleep(0.05)
                return Answer("x")

        meter = Meter()
        wrapped = wrap_asker(Napping(), store=MemoryStore(), meter=meter, max_concurrency=1)
        threads = [
            threading.Thread(target=wrapped.ask, args=(Question("judge", str(n)),))
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Waiting would add 0.05 + 0.10 + 0.15 s to the 0.2 s spent asleep.
        assert meter.usage.seconds < 4 * 0.05 + 0.25

    def test_a_budget_spent_while_waiting_is_noticed(self):
        class Napping:
            identity = "napping"

            def ask(self, question):
                time.sleep(0.02)
                return Answer("x")

        faults = []
        wrapped = wrap_asker(
            Napping(), store=MemoryStore(), meter=Meter(Budget(calls=1)), max_concurrency=1
        )

        def work(number):
            try:
                wrapped.ask(Question("judge", str(number)))
            except BudgetExceededError as error:
                faults.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(faults) == 2

    def test_what_was_paid_when_the_budget_ended_is_kept(self, tmp_path):
        store = FolderStore(tmp_path)
        model = asker("one", "two")
        wrapped = wrap_asker(model, store=store, meter=Meter(Budget(calls=1)))
        wrapped.ask(QUESTION)
        with pytest.raises(BudgetExceededError):
            wrapped.ask(Question("judge", "?"))
        again = wrap_asker(model, store=store, meter=Meter(Budget(calls=2)))
        assert again.ask(QUESTION).text == "one"
        assert again.ask(Question("judge", "?")).text == "two"
        assert len(model.asked) == 2
        with pytest.raises(BudgetExceededError):
            again.ask(Question("judge", "??"))

    def test_a_backend_that_cannot_be_named_is_refused_in_a_folder(self, tmp_path):
        held = threading.Thread()  # whose settings nobody can see

        def nameless(question):
            return Answer("x", str(held))

        backend = as_vlm(nameless)
        wrap_asker(backend, store=MemoryStore(), meter=Meter())
        with pytest.raises(UnnamedError, match=r"'held'.*threading\.Thread.*phyrefine\.identified"):
            wrap_asker(backend, store=FolderStore(tmp_path), meter=Meter())
        named = as_vlm(identified(nameless, "model 1"))
        wrap_asker(named, store=FolderStore(tmp_path), meter=Meter())
        assert identity(named) == "model 1"
