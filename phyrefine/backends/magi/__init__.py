"""MAGI-1 in this process: continues the last seconds of a prefix, chunk by chunk.

May import ``backends.continuing`` and ``phyrefine.magi``.
"""

from phyrefine.backends.magi.adapter import (
    BACKEND,
    MagiGenerator,
)

__all__ = [
    "BACKEND",
    "MagiGenerator",
]
