"""What changed between two prompts, word by word."""

from __future__ import annotations

import difflib
import re
from typing import Literal

from attrs import frozen

# Scripts written without spaces are compared character by character.
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]\s*|[^\s\u3040-\u30ff\u3400-\u9fff]+\s*|\s+")
_WORDS_TOUCH = re.compile(r"[^\s\u3040-\u30ff\u3400-\u9fff]{2}")


@frozen
class Piece:
    """A stretch of text and what happened to it."""

    kind: Literal["same", "added", "removed"]
    text: str


def word_diff(before: str, after: str) -> tuple[Piece, ...]:
    """The pieces that lead from ``before`` to ``after``; white space alone is no change.

    The ``same`` and ``added`` pieces joined are ``after``, character for character.
    """
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    matcher = difflib.SequenceMatcher(
        a=[token.strip() for token in old], b=[token.strip() for token in new], autojunk=False
    )
    pieces: list[Piece] = []
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        removed, kept = "".join(old[old_from:old_to]), "".join(new[new_from:new_to])
        before = pieces[-1].text if pieces else ""
        if tag == "equal":
            pieces.append(Piece("same", kept))
            continue
        if removed:
            pieces.append(Piece("removed", _set_apart(before, removed, kept)))
        if kept:
            pieces.append(Piece("added", kept))
    return tuple(pieces)


def _set_apart(before: str, removed: str, after: str) -> str:
    """``removed`` with the spaces that keep it from running into its neighbors."""
    left = " " if _WORDS_TOUCH.search(before[-1:] + removed[:1]) else ""
    right = " " if _WORDS_TOUCH.search(removed[-1:] + after[:1]) else ""
    return left + removed + right
