"""Who attends to whom, against pairs counted by hand and by brute force."""

import attrs
import pytest

from phyrefine.errors import InvalidInputError
from phyrefine.magi.model.layout import Query, Row, Span, layout_of


def test_one_group_with_history():
    rows = [Row(3, 0.9, (2, 4)), Row(4, 0.5, (1, 5)), Row(5, 0.1, (3, 6))]
    layout = layout_of(rows)
    assert layout.spans == (Span((1, 3), (0, 3)),)
    assert layout.queries == (Query(0, 1, 3), Query(0, 0, 4), Query(0, 2, 5))
    assert layout.cached == (1, 3)
    assert layout.whole


def test_groups_never_see_each_other():
    rows = [
        Row(4, 0.5, (2, 5), group=0),
        Row(5, 0.1, (4, 6), group=0),
        Row(4, 0.5, (4, 5), group=1, null=True),
        Row(5, 0.1, (5, 6), group=2),
    ]
    seen = _seen(rows)
    assert seen[0] == {("cache", 2), ("cache", 3), ("row", 0)}
    assert seen[1] == {("row", 0), ("row", 1)}
    assert seen[2] == {("row", 2)}
    assert seen[3] == {("row", 3)}


def _seen(rows):
    """What every row attends to, read off the layout."""
    layout, seen = layout_of(rows), []
    for query in layout.queries:
        span = layout.spans[query.span]
        keys = [("cache", chunk) for chunk in range(*span.cached)]
        keys += [("row", row) for row in range(*span.rows)]
        seen.append(set(keys[query.start : query.stop]))
    return seen


@pytest.mark.parametrize("start", [0, 2, 5])
@pytest.mark.parametrize("reach", [1, 2, 5])
def test_every_row_sees_its_range_and_nothing_else(start, reach):
    rows = [
        Row(chunk, 0.5, (max(0, chunk + 1 - reach), chunk + 1), group=group)
        for group in range(3)
        for chunk in range(start, start + 4)
    ]
    for row, seen in zip(rows, _seen(rows), strict=True):
        found = {i if kind == "cache" else rows[i].chunk for kind, i in seen}
        assert found == set(range(*row.sees))
        assert {rows[i].group for kind, i in seen if kind == "row"} == {row.group}
        # A chunk that is in the call is never taken from the cache.
        assert all(i < start for kind, i in seen if kind == "cache")


def test_without_history_nothing_is_cached():
    assert layout_of([Row(0, 0.5, (0, 1)), Row(1, 0.5, (0, 2))]).cached == (0, 0)


def test_captions_are_runs_of_rows():
    rows = [Row(c, 0.5, (c, c + 1), text=text) for c, text in enumerate([1, 1, 2, 0, 0])]
    layout = layout_of(rows)
    assert layout.texts == ((0, 2, 1), (2, 3, 2), (3, 5, 0))
    assert list(layout.groups(2)) == [(0, 2), (2, 4), (4, 5)]
    assert list(layout.runs(1, 4)) == [(0, 1, 1), (1, 2, 2), (2, 3, 0)]


def test_the_last_block_answers_for_wanted_rows_alone():
    rows = [Row(c, 0.5, (c, c + 1), text=c % 2) for c in range(4)]
    layout = layout_of(rows)
    narrow = layout.narrowed([True, False, True, False])
    assert narrow.rows == (0, 2)
    assert narrow.queries == (layout.queries[0], layout.queries[2])
    assert narrow.texts == ((0, 2, 0),)
    assert narrow.spans == layout.spans
    assert not narrow.whole
    assert layout.narrowed([True] * 4) == layout


@pytest.mark.parametrize(
    "rows",
    [
        [Row(0, 0.5, (0, 1)), Row(2, 0.5, (0, 3))],  # a gap
        [Row(1, 0.5, (0, 2)), Row(0, 0.5, (0, 1))],  # backwards
        [Row(0, 0.5, (0, 1)), Row(1, 0.5, (0, 3))],  # sees the future
    ],
)
def test_rows_that_do_not_fit(rows):
    with pytest.raises(InvalidInputError, match="does not fit its group of 2 chunks from chunk"):
        layout_of(rows)
    apart = [
        attrs.evolve(row, group=i, sees=(row.chunk, row.chunk + 1)) for i, row in enumerate(rows)
    ]
    assert len(layout_of(apart).spans) == 2
