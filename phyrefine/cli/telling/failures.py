"""The one place where errors become a line on the terminal, in the command's own words."""

from __future__ import annotations

import logging
import os
import re
import sys

from phyrefine._atomic import FORBIDDEN, FULL
from phyrefine._secrets import scrub
from phyrefine.errors import PhyrefineError

# Set to anything, it shows where an error came from.
TRACEBACK = "PHYREFINE_TRACEBACK"
# What the library calls an argument, and how the command line spells it.
_SPELLINGS = (
    (re.compile(r"pass fps=\.?"), "pass --fps."),
    (
        re.compile(r"Read a part,? ?(?:of it, )?Clip\.read\([^)]*\), or smaller frames?, "
                   r"Clip\.read\(path, size=(?:\([^)]*\)|\.\.\.)\)"),
        "Pass smaller --prefix-seconds, --fps or --size",
    ),
    (re.compile(r"\b(?:run_dir|another run folder)\b"), "--out FOLDER"),
    (re.compile(r"give the scenario a size"), "pass --size HEIGHT WIDTH"),
)  # fmt: skip


class Formatter(logging.Formatter):
    """Log lines without tracebacks, unless they are asked for."""

    def formatException(self, ei: object) -> str:  # noqa: N802 - logging's name
        """The traceback where it is asked for, else nothing."""
        return super().formatException(ei) if os.environ.get(TRACEBACK) else ""  # type: ignore[arg-type]

    def format(self, record: logging.LogRecord) -> str:
        """One line, with every key hidden."""
        return scrub(super().format(record)).rstrip("\n")


def in_words(error: BaseException) -> str:
    """One line about an error: what went wrong and what to do."""
    text = " ".join([str(error), *getattr(error, "__notes__", ())])
    for pattern, spelling in _SPELLINGS:
        text = pattern.sub(spelling, text)
    name = type(error).__name__
    if isinstance(error, PhyrefineError):
        line = f"{name}: {text}"
    elif isinstance(error, OSError):
        place = f" {error.filename}" if error.filename else ""
        line = f"Cannot read or write{place}: {error.strerror or error}.{_remedy(error)}"
    elif isinstance(error, MemoryError):
        line = "Out of memory. Pass smaller --size, --fps, --seconds or --prefix-seconds."
    elif isinstance(error, RecursionError):
        line = "Something that was read is nested too deeply: its brackets have no end."
    else:
        line = (
            f"Unexpected {name}: {text}. This is a fault of phyrefine: please report it, with what "
            f"{TRACEBACK}=1 adds."
        )
    return scrub(" ".join(line.split()))


def _remedy(error: OSError) -> str:
    if error.errno in FULL:
        return " Make room on that disk and run the same command again."
    if error.errno in FORBIDDEN:
        return " Allow this user to read and write there, or name another place."
    return ""


def tell(error: Exception) -> None:
    """Print an error on standard error, as one line."""
    if os.environ.get(TRACEBACK):
        import traceback

        traceback.print_exception(error)
    print(in_words(error), file=sys.stderr)
