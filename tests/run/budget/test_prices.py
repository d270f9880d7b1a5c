"""Dollars: the user's table, dated releases, disjoint kinds, unknown is None."""

import sys
import types

import pytest

from phyrefine.errors import InvalidInputError
from phyrefine.run.budget.prices import PriceTable

TOKENS = {"input": 1_000_000, "output": 500_000}
TABLE = {"gpt-4o": {"input": 2.5, "output": 10.0}, "gpt-4o-mini": {"input": 0.15, "output": 0.6}}


@pytest.fixture
def library(monkeypatch):
    """A stand-in for genai-prices that knows one model and notes what it was asked."""
    asked = []
    module = types.ModuleType("genai_prices")
    module.__spec__ = types.SimpleNamespace()

    def calc_price(usage, model_ref):
        asked.append((model_ref, usage))
        if model_ref != "gemini-9":
            raise LookupError(model_ref)
        return types.SimpleNamespace(total_price=1.25)

    module.Usage, module.calc_price = dict, calc_price
    monkeypatch.setitem(sys.modules, "genai_prices", module)
    return asked


def test_the_users_table():
    assert PriceTable(TABLE).cost(["gpt-4o"], TOKENS) == pytest.approx(2.5 + 5.0)


@pytest.mark.parametrize(
    ("name", "cost"),
    [
        ("gpt-4o-2024-08-06", 7.5),
        ("models/gpt-4o", 7.5),
        ("gpt-4o-20240806", 7.5),
        ("gpt-4o-001", 7.5),
        ("gpt-4o-latest", 7.5),
        ("gpt-4o-mini-2024-07-18", 0.45),
        ("gpt-4o-audio-preview", None),
        ("gpt-4", None),
    ],
)
def test_releases_of_a_model(name, cost):
    assert PriceTable(TABLE, library=False).cost([name], TOKENS) == (cost and pytest.approx(cost))


def test_an_exact_row_wins_over_the_family():
    table = PriceTable({**TABLE, "gpt-4o-2024-05-13": {"input": 5.0, "output": 15.0}})
    assert table.cost(["gpt-4o-2024-05-13"], TOKENS) == pytest.approx(12.5)


def test_the_model_that_answered_wins_over_the_one_asked():
    table = PriceTable(TABLE)
    assert table.cost(["gpt-4o-mini", "gpt-4o"], TOKENS) == pytest.approx(0.45)
    assert table.cost(["something", "gpt-4o"], TOKENS) == pytest.approx(7.5)


def test_cached_and_thinking_have_their_prices_or_those_of_input_and_output():
    tokens = {"input": 1_000_000, "cached": 2_000_000, "output": 0, "thinking": 100_000}
    plain = {"m": {"input": 1.0, "output": 10.0}}
    assert PriceTable(plain).cost(["m"], tokens) == pytest.approx(1 + 2 + 1)
    exact = {"m": {"input": 1.0, "output": 10.0, "cached": 0.1, "thinking": 20.0}}
    assert PriceTable(exact).cost(["m"], tokens) == pytest.approx(1 + 0.2 + 2)


def test_unknown_is_none_never_zero():
    table = PriceTable({"m": {"input": 1.0}}, library=False)
    assert table.cost(["other"], TOKENS) is None
    assert table.cost(["m"], {"input": 10, "output": 1}) is None
    assert table.cost(["m"], {"input": 10, "output": 0}) == pytest.approx(1e-5)
    assert table.cost([], TOKENS) is None


def test_a_free_model_costs_zero():
    assert PriceTable({"m": {"input": 0, "output": 0}}).cost(["m"], TOKENS) == 0.0


def test_the_library_comes_second(library):
    table = PriceTable(TABLE)
    assert table.cost(["gpt-4o"], TOKENS) == pytest.approx(7.5)
    assert not library
    tokens = {"input": 5, "cached": 2, "output": 3, "thinking": 4}
    assert table.cost(["gemini-9-001"], tokens) == 1.25
    assert library[-1] == (
        "gemini-9",
        {"input_tokens": 7, "cache_read_tokens": 2, "output_tokens": 7},
    )
    assert table.cost(["nobody"], TOKENS) is None
    assert PriceTable(TABLE, library=False).cost(["gemini-9"], TOKENS) is None


@pytest.mark.parametrize(
    "prices", [{"inptu": 1.0}, {"input": -1}, {"input": float("nan")}, {"input": "1"}]
)
def test_a_wrong_table_is_refused(prices):
    with pytest.raises(InvalidInputError, match="Prices of 'm'"):
        PriceTable({"m": prices})
