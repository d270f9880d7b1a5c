"""Many at once: order, failures apart, Ctrl-C at once, shards."""

import gc
import os
import signal
import threading
import time

import pytest

from phyrefine.errors import InvalidInputError, OverloadedError
from phyrefine.run.budget.meter import Meter
from phyrefine.run.many import RunInterrupted, run_many, shard


def quiet(work, items, **options):
    return run_many(work, items, progress=False, **options)


def test_results_in_order_of_the_items():
    def work(number):
        time.sleep(0.02 * (4 - number))
        return number * 10

    outcomes = quiet(work, range(4), workers=4)
    assert [outcome.result for outcome in outcomes] == [0, 10, 20, 30]
    assert [outcome.item for outcome in outcomes] == [0, 1, 2, 3]
    assert all(outcome.ok for outcome in outcomes)


@pytest.mark.parametrize("error", [OverloadedError("busy"), ValueError("bug"), SystemExit(3)])
def test_one_that_fails_loses_no_other(error):
    def work(number):
        if number == 1:
            raise error
        return number

    outcomes = quiet(work, range(4), workers=2)
    assert [outcome.result for outcome in outcomes] == [0, None, 2, 3]
    assert outcomes[1].error is error
    assert not outcomes[1].ok


def test_as_many_at_once_as_workers():
    meeting = threading.Barrier(3, timeout=10)
    assert all(outcome.ok for outcome in quiet(lambda _: meeting.wait(), range(6), workers=3))


def test_nothing_to_do():
    assert quiet(print, []) == []
    with pytest.raises(InvalidInputError, match="workers"):
        quiet(print, [1], workers=0)


def test_progress_is_shown(capsys):
    run_many(abs, [-1, -2])
    assert "2/2" in capsys.readouterr().err


@pytest.fixture
def no_garbage_collection():
    """A KeyboardInterrupt that comes within a callback of the collector (hypothesis has one) is
    swallowed by Python."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_garbage_collection")
def test_ctrl_c_wakes_at_once_and_keeps_what_is_finished():
    hang, begun, meter = threading.Event(), threading.Event(), Meter()

    def work(number):
        if number == 0:
            return "finished"
        begun.set()
        hang.wait(30)
        meter.check()
        return "paid again"

    def press():
        begun.wait(30)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    start = time.monotonic()
    with pytest.raises(RunInterrupted, match="1 of 4") as caught:
        quiet(work, range(4), workers=1, cancel=meter.cancel)
    assert time.monotonic() - start < 20
    assert isinstance(caught.value, KeyboardInterrupt)
    assert [outcome.result for outcome in caught.value.outcomes] == ["finished", None, None, None]
    assert not caught.value.outcomes[3].ok
    with pytest.raises(KeyboardInterrupt):
        meter.check()
    hang.set()


def test_shards_divide_the_items():
    items = list(range(11))
    shares = [shard(items, f"{which}/3") for which in (1, 2, 3)]
    assert sorted(item for share in shares for item in share) == items
    assert shares[0] == [0, 3, 6, 9]
    assert shard(items, "1/1") == items


@pytest.mark.parametrize("which", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3", ""])
def test_a_wrong_shard_is_refused(which):
    with pytest.raises(InvalidInputError, match="shard"):
        shard([1], which)
