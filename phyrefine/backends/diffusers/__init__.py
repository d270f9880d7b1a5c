"""Video generators on diffusers: any pipeline that can continue a prefix, in this process.

May import ``backends.continuing``.
"""

from phyrefine.backends.diffusers.generator import (
    BACKEND,
    CogVideoXGenerator,
    DiffusersVideoGenerator,
    estimate_memory,
    list_families,
)

__all__ = [
    "BACKEND",
    "CogVideoXGenerator",
    "DiffusersVideoGenerator",
    "estimate_memory",
    "list_families",
]
