"""Prompts that pools are rendered from: one small function each, by name."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen

from benchmarks.world.scenes import SceneId, sample_of


@frozen
class Said:
    """A prompt: one text, or one for each chunk of a second."""

    texts: tuple[str, ...]

    @property
    def words(self) -> int:
        return sum(len(text.split()) for text in self.texts)

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.texts).encode()).hexdigest()[:16]


Writer = Callable[[SceneId], str | Sequence[str]]
PROMPTS: dict[str, Writer] = {}


def prompt(name: str) -> Callable[[Writer], Writer]:
    """Register a prompt under ``name``."""

    def register(write: Writer) -> Writer:
        PROMPTS[name] = write
        return write

    return register


def said(name: str, scene: SceneId) -> Said:
    """The prompt ``name`` of a scene."""
    if name not in PROMPTS:
        raise SystemExit(f"No prompt {name!r}. There are: {', '.join(PROMPTS)}.")
    text = PROMPTS[name](scene)
    return Said((text,) if isinstance(text, str) else tuple(text))


@prompt("plain")
def plain(scene: SceneId) -> str:
    """The description alone."""
    return scene.scenario.description


@prompt("all_cues")
def all_cues(scene: SceneId) -> str:
    """The loop's first prompt: predicted and rewritten, without feedback."""
    loop = first_loop()
    text: str = loop.compose(loop.predict(scene.scenario), scene.scenario).text
    return text


@prompt("filler")
def filler(scene: SceneId) -> str:
    """A control: as long as a real prompt, and says nothing of what will happen."""
    from phyrefine.world.truth.captions.captions import filler_only

    return filler_only(sample_of(scene).scene, 4, scene.rng(5))


@prompt("true_caption")
def true_caption(scene: SceneId) -> str:
    """GROUND TRUTH in wording that the generator never saw; a bound, not a method."""
    from phyrefine.world.truth.captions.captions import all_cues as cues

    return cues(sample_of(scene).scene, "held_out", scene.rng(6))


@functools.cache
def first_loop() -> Any:
    """The method's own steps 1 on the embedded models; its generator is never called here."""
    from phyrefine.refine.convergence import MaxLoops
    from phyrefine.refine.loop import Loop
    from phyrefine.world.eye import WorldVLM
    from phyrefine.world.generator import WorldGenerator
    from phyrefine.world.rewriter import WorldLLM

    return Loop(WorldVLM(), WorldLLM(), WorldGenerator(), MaxLoops(1))
