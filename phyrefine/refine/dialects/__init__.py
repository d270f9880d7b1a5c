"""The languages of video models: from a plan to a prompt, one file for each dialect.

A dialect is a TOML file in ``files/``, or any file of the user's: what the rewriter is told, a
template that assembles a prompt from a plan, limits, what is checked, an example and its source.
"""

from phyrefine.refine.dialects.assembling import Setting, assemble, fit, ranking
from phyrefine.refine.dialects.checking import check
from phyrefine.refine.dialects.chunks import borders, cut, keep_accepted
from phyrefine.refine.dialects.dialect import Dialect, find, names

__all__ = [
    "Dialect",
    "Setting",
    "assemble",
    "borders",
    "check",
    "cut",
    "find",
    "fit",
    "keep_accepted",
    "names",
    "ranking",
]
