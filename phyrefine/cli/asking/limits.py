"""Options that end a run early."""

from __future__ import annotations

from typing import Annotated

from attrs import frozen
from cyclopts import Parameter

from phyrefine._command_values import Many, Positive
from phyrefine.types import Budget


@Parameter(name="*")
@frozen
class LimitFlags:
    """When to stop; the best so far is kept.

    Attributes:
        max_usd: Stop at this cost, best so far.
        max_tokens: Stop at this many tokens.
        max_clips: Stop at this many clips.
        max_chunks: Stop at this many chunks, those of searches included.
        max_minutes: Stop after this long.
    """

    max_usd: Annotated[Positive | None, Parameter()] = None
    max_tokens: Annotated[Many | None, Parameter()] = None
    max_clips: Annotated[Positive | None, Parameter()] = None
    max_chunks: Annotated[Many | None, Parameter()] = None
    max_minutes: Annotated[Positive | None, Parameter()] = None

    @property
    def budget(self) -> Budget:
        """The same as a budget."""
        return Budget(
            usd=self.max_usd,
            tokens=self.max_tokens,
            wall_seconds=None if self.max_minutes is None else 60 * self.max_minutes,
            clips=self.max_clips,
            chunks=self.max_chunks,
        )


NO_LIMIT = LimitFlags()
