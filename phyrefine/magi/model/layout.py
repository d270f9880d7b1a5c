"""Who attends to whom in one network call, as plain integers.

A call packs *rows*: a row is one chunk of latents with its own time, caption and view. Several
guidance passes over the same chunks, or several videos, are simply more rows of one call, so that
every weight is read once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import evolve, frozen

from phyrefine.errors import InvalidInputError


@frozen
class Row:
    """One chunk in one call.

    Attributes:
        chunk: Absolute index of the chunk; its place in time.
        time: Its time, 0 (noise) to 1 (data).
        sees: Half-open range of absolute chunks it attends to. Those not in the call come from
            the cache.
        group: Rows of one group see each other; rows of different groups never do.
        text: Index of its caption among the call's captions.
        null: Whether the condition takes the caption token of the null caption.
        wanted: Whether its velocity is wanted; otherwise it only serves as context.
        stored: Whether its keys and values go to the cache.
    """

    chunk: int
    time: float
    sees: tuple[int, int]
    group: int = 0
    text: int = 0
    null: bool = False
    wanted: bool = True
    stored: bool = False


@frozen
class Span:
    """Keys of one group: cached chunks, then consecutive rows of the call.

    Attributes:
        cached: Half-open range of absolute chunks taken from the cache; may be empty.
        rows: Half-open range of rows of the call.
    """

    cached: tuple[int, int]
    rows: tuple[int, int]


@frozen
class Query:
    """What one row attends to: chunks ``start .. stop`` of a span."""

    span: int
    start: int
    stop: int


@frozen
class Layout:
    """Attention pattern of one block.

    Attributes:
        spans: Distinct key sequences.
        queries: One for each row in ``rows``.
        texts: Runs ``(start, stop, caption)`` of consecutive entries of ``rows``.
        rows: Rows of the call whose output the block must give, in order.
        count: Rows of the call.
    """

    spans: tuple[Span, ...]
    queries: tuple[Query, ...]
    texts: tuple[tuple[int, int, int], ...]
    rows: tuple[int, ...]
    count: int

    @property
    def whole(self) -> bool:
        """Whether every row of the call is given out."""
        return len(self.rows) == self.count

    @property
    def cached(self) -> tuple[int, int]:
        """Half-open range of absolute chunks that any row reads from the cache."""
        ranges = [span.cached for span in self.spans if span.cached[0] < span.cached[1]]
        if not ranges:
            return (0, 0)
        return min(start for start, _ in ranges), max(stop for _, stop in ranges)

    def groups(self, size: int) -> Iterator[tuple[int, int]]:
        """Consecutive ranges of at most ``size`` entries of ``rows``."""
        for start in range(0, len(self.rows), size):
            yield start, min(start + size, len(self.rows))

    def runs(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """`texts` cut to entries ``start .. stop`` and counted from ``start``."""
        for first, last, text in self.texts:
            first, last = max(first, start), min(last, stop)
            if first < last:
                yield first - start, last - start, text

    def narrowed(self, wanted: Sequence[bool]) -> Layout:
        """The last block's layout: only wanted rows are queries, all rows are keys."""
        keep = [position for position, row in enumerate(self.rows) if wanted[row]]
        texts = [text for first, last, text in self.texts for _ in range(first, last)]
        return evolve(
            self,
            queries=tuple(self.queries[k] for k in keep),
            texts=_runs([texts[k] for k in keep]),
            rows=tuple(self.rows[k] for k in keep),
        )


def layout_of(rows: Sequence[Row]) -> Layout:
    """The layout of a call.

    Raises:
        InvalidInputError: Rows of a group are not consecutive chunks, or a row sees chunks that
            come after the group's.
    """
    spans: list[Span] = []
    queries: list[Query] = []
    start = 0
    while start < len(rows):
        stop = start + 1
        while stop < len(rows) and rows[stop].group == rows[start].group:
            stop += 1
        _add_group(rows, start, stop, spans, queries)
        start = stop
    texts = _runs([row.text for row in rows])
    return Layout(tuple(spans), tuple(queries), texts, tuple(range(len(rows))), len(rows))


def _add_group(
    rows: Sequence[Row], start: int, stop: int, spans: list[Span], queries: list[Query]
) -> None:
    members = rows[start:stop]
    first = members[0].chunk
    for offset, row in enumerate(members):
        if row.chunk != first + offset or row.sees[1] > first + len(members):
            raise InvalidInputError(
                f"Row {start + offset} (chunk {row.chunk}, seeing {row.sees}) does not fit its "
                f"group of {len(members)} chunks from chunk {first}."
            )
    oldest = min(first, *(row.sees[0] for row in members))
    spans.append(Span((oldest, first), (start, stop)))
    queries.extend(
        Query(len(spans) - 1, row.sees[0] - oldest, row.sees[1] - oldest) for row in members
    )


def _runs(texts: Sequence[int]) -> tuple[tuple[int, int, int], ...]:
    runs: list[tuple[int, int, int]] = []
    for position, text in enumerate(texts):
        if runs and runs[-1][2] == text:
            runs[-1] = (runs[-1][0], position + 1, text)
        else:
            runs.append((position, position + 1, text))
    return tuple(runs)
