import pytest

from phyrefine.errors import InvalidInputError
from phyrefine.table import Table


def test_text_is_aligned_and_numbers_flush_right():
    table = Table(
        ["run", "score"], [["plain", 0.5], ["loop 1", None], ["x", 12]], "Scores", ["n=3"]
    )
    assert str(table).splitlines() == [
        "Scores",
        "run     score",
        "------  -----",
        "plain     0.5",
        "loop 1      –",
        "x          12",
        "n=3",
    ]


def test_a_column_with_words_is_not_numeric():
    assert Table(["a", "b"], [[1, 2], ["one", 3]]).numeric == (False, True)
    assert Table(["a"], []).numeric == (False,)
    assert Table(["a"], [[True]]).cells == (("yes",),)


def test_rows_must_fit_the_columns():
    with pytest.raises(InvalidInputError, match="A row of 1 cells does not fit 2 columns"):
        Table(["a", "b"], [[1]])


def test_html_is_escaped():
    html = Table(["<a>"], [["<script>x</script>"]])._repr_html_()
    assert "&lt;script&gt;x&lt;/script&gt;" in html
    assert "<script" not in html
