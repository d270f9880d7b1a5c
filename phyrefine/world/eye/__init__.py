"""A VLM that measures pixels. It watches clips and reads words, and knows nothing else.

May import ``world.wordings``; never torch, OpenCV or ``world.truth``.
"""

from phyrefine.world.eye.vlm import (
    WorldVLM,
)

__all__ = [
    "WorldVLM",
]
