"""Pages people look at: the report of a run, and a gallery over many.

::

    from phyrefine import report
    report.write(refinement, "report.html")
"""

from phyrefine.report.html import render, render_gallery, write, write_gallery
from phyrefine.report.tables import attempts_table, costs_table

__all__ = [
    "attempts_table",
    "costs_table",
    "render",
    "render_gallery",
    "write",
    "write_gallery",
]
