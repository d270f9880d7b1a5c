"""The known name that a misspelled one is closest to, for messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """``" Did you mean 'NAME'?"`` with the closest known name, or nothing.

    Args:
        name: As written.
        known: Names there are.
        cutoff: Least similarity, 0 to 1, as in :func:`difflib.get_close_matches`.
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f" Did you mean {close[0]!r}?" if close else ""
