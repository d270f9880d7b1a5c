"""Calls from values to what stands above them: files, data frames.

Values know these by name only, and they are loaded on first use, as ``_display`` does for pages.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phyrefine._optional import require

RESULTS = "phyrefine.run.results"
ROWS = "phyrefine.run.comparing.rows"


def save(refinement: Any, folder: str | Path) -> Path:
    """Write a refinement with everything it holds."""
    written: Path = importlib.import_module(RESULTS).save(refinement, folder)
    return written


def load(folder: str | Path) -> Any:
    """Read a refinement back."""
    return importlib.import_module(RESULTS).load(folder)


def rows(refinement: Any) -> list[dict[str, Any]]:
    """One row per clip."""
    found: list[dict[str, Any]] = importlib.import_module(ROWS).rows(refinement)
    return found


def frame(rows: Sequence[Any], columns: Sequence[str]) -> Any:
    """A ``pandas.DataFrame``.

    Raises:
        MissingDependencyError: pandas is not installed.
    """
    pandas = require("pandas", extra="pandas", feature="A data frame")
    return pandas.DataFrame(list(rows), columns=list(columns))
