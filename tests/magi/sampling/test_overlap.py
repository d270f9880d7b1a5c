import os
import subprocess
import sys
import threading

import pytest

from phyrefine.magi.sampling.overlap import run_ahead


def test_items_come_in_order_and_the_next_is_made_meanwhile():
    second_made = threading.Event()

    def make(check):
        yield 1
        second_made.set()
        yield 2

    items = run_ahead(make)
    assert next(items) == 1
    assert second_made.wait(timeout=10)  # though nobody asked for it yet
    assert list(items) == [2]


def test_what_the_producer_raises_comes_after_its_items():
    def make(check):
        yield 1
        raise ValueError("broken")

    items = run_ahead(make)
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)


def test_closing_stops_the_producer_at_its_next_check():
    checks, stopped = [], threading.Event()

    def make(check):
        try:
            for number in range(1_000_000):
                check()
                checks.append(number)
                yield number
        finally:
            stopped.set()

    items = run_ahead(make)
    assert next(items) == 0
    items.close()
    assert stopped.wait(timeout=10)
    assert len(checks) <= 4


def test_nothing_is_made_before_it_is_asked_for():
    made = []

    def make(check):
        made.append(1)
        yield 1

    items = run_ahead(make)
    assert made == []
    assert list(items) == [1]


ON_ONE_THREAD = """
import torch
from phyrefine.magi.sampling.overlap import run_ahead

torch.set_num_threads(1)
x, weight = torch.randn(7, 31), torch.randn(64, 31)
(ahead,) = run_ahead(lambda check: iter([torch.nn.functional.linear(x, weight)]))
assert torch.equal(ahead, torch.nn.functional.linear(x, weight))
"""


@pytest.mark.slow
def test_the_producer_keeps_to_the_callers_number_of_threads():
    """MKL rounds products of this shape otherwise on two threads, as a new thread has them."""
    free = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    subprocess.run([sys.executable, "-c", ON_ONE_THREAD], check=True, env=free, timeout=120)
