"""Times in sentences: "at 0:03", "between 1 and 2.5 seconds", "frames 30 to 45"."""

from __future__ import annotations

import re

from attrs import frozen

_TIME = r"\d+(?::\d{2}){1,2}(?:\.\d+)?|\d+(?:\.\d+)?"
_UNIT = r"(?:seconds?|secs?|s)\b"
_JOIN = r"(?:-|–|—|to|and|until|till|through)"
_RANGE = re.compile(
    rf"(?P<word>seconds?|secs?|frames?)?\s*(?<![\w.:])(?P<first>{_TIME})\s*(?P<one>{_UNIT})?\s*{_JOIN}\s*"
    rf"(?P<last>{_TIME})(?![\d:.]\d)\s*(?P<two>{_UNIT})?",
    re.IGNORECASE,
)
_SINGLE = re.compile(
    rf"(?P<before>\b(?:for|lasts?|lasting|over|within|than)\s+(?:about\s+|around\s+)?)?"
    rf"(?P<word>\b(?:seconds?|secs?|frames?))?\s*(?<![\w.:])(?P<first>{_TIME})(?![\d:.]\d)\s*(?P<one>{_UNIT})?",
    re.IGNORECASE,
)


@frozen(order=True)
class Span:
    """A stretch of time.

    Attributes:
        start: Seconds.
        end: Seconds, not before ``start``.
    """

    start: float
    end: float

    @property
    def middle(self) -> float:
        """Seconds."""
        return (self.start + self.end) / 2

    def moved(self, seconds: float) -> Span:
        """The same, later."""
        return Span(self.start + seconds, self.end + seconds)


def times_in(text: str, fps: float | None = None) -> tuple[Span, ...]:
    """The stretches of time that a text names, in their order.

    A number counts as a time with a unit, a colon, or the word "second" or "frame" before it;
    lengths ("lasts 2 seconds") do not. Frames need ``fps`` and are left out without it.

    Args:
        text: What a person wrote.
        fps: Frames per second of the clip.
    """
    found: list[tuple[int, Span]] = []
    rest = text
    for match in _RANGE.finditer(text):
        span = _span(match, match["last"], fps)
        if span is not None:
            found.append((match.start(), span))
            # Blanked out, so that its parts are not read once more.
            rest = rest[: match.start()] + " " * len(match[0]) + rest[match.end() :]
    for match in _SINGLE.finditer(rest):
        span = None if match["before"] else _span(match, match["first"], fps)
        if span is not None:
            found.append((match.start(), span))
    return tuple(dict.fromkeys(span for _, span in sorted(found)))


def _span(match: re.Match[str], last: str, fps: float | None) -> Span | None:
    first, word = match["first"], (match["word"] or "").lower()
    units = [match["one"], match["two"] if "two" in match.re.groupindex else None]
    if word.startswith("frame"):
        if not fps or ":" in first + last:
            return None
        start, end = float(first) / fps, float(last) / fps
    elif ":" in first or ":" in last or word or any(units):
        start, end = _seconds(first), _seconds(last)
    else:
        return None
    return Span(start, end) if start <= end else None


def _seconds(text: str) -> float:
    total = 0.0
    for part in text.split(":"):
        total = 60 * total + float(part)
    return total
