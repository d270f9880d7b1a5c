"""How values show themselves in notebooks: by the report's partials.

The report stands above the values it shows, so they know it by name only, and it is loaded when
a notebook first asks.
"""

from __future__ import annotations

import importlib

RENDERER = "phyrefine.report.notebook"


def html(value: object) -> str:
    """The HTML fragment of a Clip, an Attempt, a Refinement or a Table."""
    fragment: str = importlib.import_module(RENDERER).show(value)
    return fragment
