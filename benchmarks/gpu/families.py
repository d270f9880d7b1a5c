"""Every family of the diffusers backend with tiny weights, in each dtype and memory mode."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial

import diffusers_cases as cases
import numpy as np
from steps import Measurement, Record, Setting

from phyrefine.testing import moving_clip
from phyrefine.types import Prompt, Shot
from phyrefine.video.clip import Clip

EVERY = (("float32", "fast"), ("bfloat16", "fast"))
# Other dtypes and modes go through code that families share.
FURTHER = (("float16", "fast"), ("bfloat16", "balanced"), ("bfloat16", "tight"))
WITH_FURTHER = ("cogvideox-i2v", "ltx-condition", "wan-2.2-i2v", "cosmos-predict2")
SHOT = Shot(Prompt("it rolls"), moving_clip(72, (32, 32), 24.0), seconds=1.0, fps=8.0)


def steps(setting: Setting) -> Iterator[Measurement]:
    """Frames against float32 on the host."""
    names = ["cogvideox-i2v"] if setting.tiny else list(cases.CASES)
    for name in names:
        ways = EVERY + (FURTHER if name in WITH_FURTHER else ())
        for dtype, mode in ways[:1] if setting.tiny else ways:
            yield f"{name}, {dtype}, {mode}", partial(_frames, setting, name, dtype, mode)


@cache
def _on_the_host(name: str) -> Clip:
    return cases.generator(name, dtype="float32", device="cpu").generate(SHOT)


def _frames(setting: Setting, name: str, dtype: str, mode: str) -> Record:
    wanted = _on_the_host(name)
    made = cases.generator(name, dtype=dtype, memory=mode, device=setting.device)
    first = made.generate(SHOT)
    again = made.generate(SHOT)
    off = np.abs(first.frames.astype(int) - wanted.frames)
    passed = first.frames.shape == wanted.frames.shape
    return {
        "mean_difference": float(off.mean()),
        "most": int(off.max()),
        "same_twice": first == again,
        "passed": passed and float(off.mean()) < 32,
    }
