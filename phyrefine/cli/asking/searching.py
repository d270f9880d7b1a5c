"""Options of ``phyrefine run`` that spend clips where words do not help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from attrs import frozen
from cyclopts import Parameter

from phyrefine._command_values import Count, Text
from phyrefine.errors import InvalidInputError

if TYPE_CHECKING:
    from phyrefine.run.search import Draft


@Parameter(name="*")
@frozen
class SearchFlags:
    """Searching; see the page *Search* of the documentation.

    Attributes:
        watch: Clips of each loop that the critic watches; only violations that most of them show
            reach the rewriter.
        search: backtracking: make the chunks from the first violation on anew; chunks: choose
            among several versions of every chunk. Needs a generator that streams.
        search_option: key=value; repeatable: for backtracking chunks (made for one clip), tries,
            margin, revise, each_chunk, keep and measure; for chunks width, scorer, beam,
            look_ahead and chunks.
        draft: key=value; repeatable: steps, size, options, generator or finals. Loops make cheap
            drafts, and the best is rendered in full.
        check_draft: First make eight clips both ways, and tell whether drafts rank like finals.
    """

    watch: Annotated[Count | None, Parameter()] = None
    search: Annotated[Text | None, Parameter()] = None
    search_option: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    draft: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    check_draft: Annotated[bool, Parameter(negative="")] = False

    @property
    def given(self) -> dict[str, object]:
        """What was asked for, by option; ``None`` where it was not."""
        return {
            "--watch": self.watch,
            "--search": self.search,
            "--draft": self.draft or None,
        }

    @property
    def spec(self) -> str | None:
        """Search and options in one text; ``None`` without a search."""
        from phyrefine.run.search.named import join_search

        return join_search(self.search, self.search_option) or None

    def check(self) -> None:
        """Refuse wrong names and values before anything is loaded.

        Raises:
            InvalidInputError: One is wrong, or an option stands without what it belongs to.
        """
        from phyrefine.run.search.named import check_draft, check_search

        if self.spec is not None:
            check_search(self.spec)
        if self.check_draft and not self.draft:
            raise InvalidInputError("--check-draft needs a draft: --draft steps=2, for example.")
        if self.draft:
            check_draft(self._draft)

    @property
    def _draft(self) -> str:
        from phyrefine.options import join_options

        return join_options("", self.draft)

    def as_draft(self) -> Draft | None:
        """The draft's setting."""
        from phyrefine.run.search.named import named_draft

        return named_draft(self._draft) if self.draft else None

    def around(self, backends: tuple[str, str, str]) -> tuple[Any, Any, Any]:
        """VLM, LLM and generator, the search around the generator.

        Raises:
            InvalidInputError: The generator does not stream.
        """
        from phyrefine.run.search.named import searching

        return backends if self.spec is None else searching(self.spec, backends)

    @property
    def uncounted(self) -> list[str]:
        """Lines about what the expected cost leaves out."""
        from phyrefine.run.search.named import not_counted

        lines = [] if self.spec is None else [not_counted(self.spec)]
        if self.draft:
            both = " and eight clips made both ways" if self.check_draft else ""
            lines.append(f"Not counted: drafts are cheaper than clips; finals{both} come on top.")
        return lines


NO_SEARCH = SearchFlags()
