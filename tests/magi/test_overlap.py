import threading

import pytest

from phyrefine.magi.overlap import run_ahead


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
