import pytest
from attrs import evolve

from phyrefine.report.tables import attempts_table, costs_table, gallery_table
from phyrefine.report.words import dollars, number, seconds, tokens, visible
from phyrefine.types import Usage


def test_one_row_per_attempt(refinement):
    table = attempts_table(refinement)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [row["attempt"] for row in rows] == ["Plain description", "Loop 1", "Loop 2"]
    assert [row["violations"] for row in rows] == [2, 2, 0]
    assert [row["persisting"] for row in rows] == [0, 1, 0]
    assert [row["fixed"] for row in rows] == [0, 1, 2]
    assert [row["best score"] for row in rows] == [0.31, 0.58, 0.83]
    assert [row["chosen"] for row in rows] == ["", "", "★"]
    assert rows[0]["severity"] == pytest.approx(0.9 * 0.8 + 0.3 * 0.5)


def test_an_unjudged_attempt_has_dashes_not_zeros(make, refinement):
    attempt = evolve(refinement.attempts[0], critique=None)
    table = attempts_table(make(attempts=(attempt,), choice=None))
    assert table.rows[0][2:7] == (None,) * 5


def test_the_oracle_is_named_under_the_table(make, refinement):
    oracle = make(choice=evolve(refinement.choice, oracle=True, selector="oracle"))
    assert "ground truth" in str(attempts_table(oracle))
    assert "ground truth" not in str(attempts_table(refinement))


def test_a_broken_seam_is_counted(make, refinement):
    attempt = refinement.attempts[2]
    broken = evolve(attempt.candidates[0].seam, faults=("3 frames instead of 24",))
    candidates = (evolve(attempt.candidates[0], seam=broken), attempt.candidates[1])
    table = attempts_table(make(attempts=(evolve(attempt, candidates=candidates),), choice=None))
    assert "1 of 2 do not join" in table.rows[0]


def test_costs_end_with_the_total(refinement):
    table = costs_table(refinement)
    assert table.rows[-1][:3] == ("In all", 12, 2)
    assert table.rows[-1][-1] == "$0.0512"


def test_the_gallery_counts_by_domain(make, refinement):
    stopped = make(attempts=(), choice=None, stopped_by="budget")
    row = gallery_table([("optics", [refinement, stopped])]).rows[0]
    assert row == ("optics", 2, "1 same prompt, 1 budget", 2.0, 0.0, 1.5)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (dollars(None), "unknown"),
        (dollars(0.0), "$0.00"),
        (dollars(0.00123), "$0.0012"),
        (dollars(12.345), "$12.35"),
        (seconds(0.25), "250 ms"),
        (seconds(30), "30.0 s"),
        (seconds(600), "10.0 min"),
        (seconds(7200), "2.0 h"),
        (number(-0.5), "−0.5"),
        (tokens(Usage(tokens={"input": 1234, "cached": 0})), "1,234 input"),
        (tokens(Usage()), "–"),
        (visible("a\u202eb\x1b\u200b\r\nc"), "a⟨U+202E⟩b⟨U+001B⟩⟨U+200B⟩\nc"),
        (visible("\U0001f468\u200d\U0001f52c"), "\U0001f468\u200d\U0001f52c"),
        (visible(7), 7),
    ],
)
def test_values_in_words(said, expected):
    assert said == expected
