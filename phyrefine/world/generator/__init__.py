"""The embedded video generator: a tiny learned model, from a prefix and a prompt to a clip.

May import errors, types and video; never ``world.truth``.
"""

from phyrefine.world.generator.video_generator import (
    WorldGenerator,
    WorldModel,
    native_size,
)

__all__ = [
    "WorldGenerator",
    "WorldModel",
    "native_size",
]
