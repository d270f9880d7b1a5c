"""Counting from many threads, limits by name, what a resumed run owes."""

import logging
import threading

import pytest
from run_helpers import Clock

from phyrefine.errors import BudgetExceededError, InvalidInputError
from phyrefine.run.budget.meter import Meter
from phyrefine.run.budget.prices import PriceTable
from phyrefine.types import Budget, Usage


def test_usage_by_stage_and_total():
    meter = Meter()
    meter.add("critique", Usage(calls=1, tokens={"input": 5}, seconds=2, usd=0.5))
    meter.add("critique", Usage(calls=2, tokens={"output": 1}, seconds=1, usd=0.25))
    meter.add("generate", Usage(calls=1, gpu_seconds=7))
    assert meter.stages["critique"] == Usage(3, {"input": 5, "output": 1}, 3, 0, 0.75)
    assert meter.usage == Usage(4, {"input": 5, "output": 1}, 3, 7, 0.75)


@pytest.mark.parametrize(
    ("budget", "usage", "message"),
    [
        (Budget(usd=1.0), Usage(usd=1.5), r"1\.5 of 1 US dollars \(usd\)"),
        (Budget(tokens=10), Usage(tokens={"input": 6, "thinking": 4}), r"10 of 10 tokens"),
        (Budget(gpu_seconds=3), Usage(gpu_seconds=4), r"4 of 3 .*Budget\(gpu_seconds=\.\.\.\)"),
        (Budget(calls=2), Usage(calls=2), r"2 of 2 calls"),
    ],
)
def test_each_limit_is_named_with_its_value(budget, usage, message):
    meter = Meter(budget)
    meter.check()
    meter.add("critique", usage)
    with pytest.raises(BudgetExceededError, match=message):
        meter.check()


def test_wall_time():
    clock = Clock()
    meter = Meter(Budget(wall_seconds=5), clock=clock)
    clock.passes(4.9)
    meter.check()
    clock.passes(0.2)
    with pytest.raises(BudgetExceededError, match="wall_seconds"):
        meter.check()


def test_below_every_limit_nothing_is_said():
    meter = Meter(Budget(1, 10, 10, 1e9, 10))
    meter.add("critique", Usage(9, {"input": 9}, 9, 9, 0.9))
    assert meter.exceeded is None


@pytest.mark.parametrize("limit", [-1, float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused(limit):
    with pytest.raises(InvalidInputError, match="usd"):
        Meter(Budget(usd=limit))


def test_unknown_costs_stay_unknown_and_are_told_once(caplog):
    meter = Meter(Budget(usd=1))
    with caplog.at_level(logging.WARNING):
        meter.add("critique", Usage(calls=1, usd=None))
        meter.add("critique", Usage(calls=1, usd=None))
        meter.add("compose", Usage(calls=1, usd=0.75))
    assert len(caplog.records) == 1
    assert meter.usage.usd is None
    assert meter.stages["compose"].usd == 0.75
    meter.check()
    meter.add("compose", Usage(calls=1, usd=0.75))
    with pytest.raises(BudgetExceededError, match=r"1\.5 of 1"):
        meter.check()


def test_stored_answers_owe_what_another_process_paid():
    meter = Meter(Budget(usd=1))
    meter.recalled("critique", "a", Usage(calls=1, usd=0.75))
    meter.recalled("critique", "a", Usage(calls=1, usd=0.75))
    assert meter.usage == Usage(saved_calls=2)
    assert meter.earlier.usd == 0.75
    meter.check()
    meter.recalled("critique", "b", Usage(calls=1, usd=0.75))
    with pytest.raises(BudgetExceededError):
        meter.check()


def test_stored_answers_of_this_process_are_not_counted_again():
    meter = Meter()
    meter.add("critique", Usage(calls=1, usd=0.75))
    meter.paid("a")
    meter.recalled("critique", "a", Usage(calls=1, usd=0.75))
    assert meter.earlier == Usage()
    assert meter.usage == Usage(calls=1, usd=0.75, saved_calls=1)


def test_tallies_nest_and_belong_to_their_thread():
    meter = Meter()
    with meter.tally() as outer:
        meter.add("critique", Usage(calls=1))
        with meter.tally() as inner:
            meter.recalled("critique", "a", Usage(calls=1, seconds=3))
        other = threading.Thread(target=meter.add, args=("critique", Usage(calls=50)))
        other.start()
        other.join()
    meter.add("critique", Usage(calls=1))
    assert inner.usage == Usage(calls=1, seconds=3)
    assert outer.usage == Usage(calls=2, seconds=3)


def test_nothing_is_lost_between_threads():
    meter = Meter()
    work = [
        threading.Thread(
            target=lambda: [meter.add("critique", Usage(1, {"input": 1})) for _ in range(500)]
        )
        for _ in range(8)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert meter.usage == Usage(4000, {"input": 4000})


def test_cancel_stops_every_later_call():
    meter = Meter()
    meter.cancel()
    with pytest.raises(KeyboardInterrupt):
        meter.check()


PRICED = Meter(prices=PriceTable({"m": {"input": 1.0, "output": 2.0}}, library=False))
MILLION = {"input": 1_000_000}


@pytest.mark.parametrize(
    ("said", "model", "billed", "usd"),
    [
        (Usage(tokens=MILLION, usd=9.0), "m", True, 9.0),
        (Usage(tokens=MILLION), "m", True, 1.0),
        (Usage(tokens=MILLION, usd=None), "m", True, 1.0),
        (Usage(tokens=MILLION), "other", True, None),
        (Usage(tokens=MILLION), "other", False, 0.0),
        (Usage(calls=1), "other", True, 0.0),
        (Usage(calls=1, usd=None), "m", True, None),
    ],
)
def test_who_says_what_a_call_costs(said, model, billed, usd):
    """The backend first, then the table; local models and calls without tokens cost nothing."""
    assert PRICED.price(said, [model], billed=billed).usd == usd
