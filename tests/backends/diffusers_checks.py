"""What tests of diffusers families ask of a generator in more than one place and process."""

from __future__ import annotations

import zlib
from typing import Any

from attrs import evolve

from phyrefine.testing import moving_clip
from phyrefine.types import Prompt, Shot

SIZE = (45, 77)
PREFIX = moving_clip(72, SIZE, 24.0)
SHOT = Shot(Prompt("a red ball", negative="blur"), PREFIX, seconds=5.0, fps=24.0, size=SIZE, seed=3)


def second(generator: Any) -> int:
    """A checksum of one second's native frames."""
    clip = generator.generate(evolve(SHOT, seconds=1.0))
    return zlib.crc32(clip.native.frames.tobytes())
