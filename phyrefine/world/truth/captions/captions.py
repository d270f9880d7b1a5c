"""Truthful captions: which statements hold in a scene, and how they are worded."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal

import attrs
import numpy as np

from phyrefine.world.truth.captions.openings import DESCRIPTIONS, FILLER
from phyrefine.world.truth.captions.wording import TOPICS, Topic
from phyrefine.world.truth.physics.scene import Scene
from phyrefine.world.truth.physics.trajectory import CLIP_SECONDS

Wording = Literal["training", "held_out"]

_KIND_TOPICS: dict[str, tuple[str, ...]] = {
    "collision": ("approach", "contact", "transfer", "friction", "solid", "steady"),
    "incline": ("roll", "surface", "floor", "friction", "solid", "steady"),
    "pendulum": ("swing", "fastest", "string", "height", "solid", "steady"),
    "stack": ("topple", "solid", "steady"),
    "stain": ("spread", "paler"),
    "shadow": ("lamp", "shadow"),
    "cooling": ("equalise",),
    "magnet": ("attract", "stick", "solid", "steady"),
}


def _settles(scene: Scene) -> bool:
    """Whether a dropped ball lies still before the clip ends (sum of the geometric series)."""
    bounce = scene.number("restitution")
    drop = scene.number("height") - scene.number("radius") - 0.35
    first = math.sqrt(2.0 * drop / 4.0)
    end = scene.number("release") + first * (1.0 + bounce) / (1.0 - bounce)
    return end < CLIP_SECONDS - 0.5


def topics_of(scene: Scene) -> tuple[str, ...]:
    """The topics that are true of a scene, in order of time."""
    if scene.kind not in ("drop", "projectile"):
        return _KIND_TOPICS[scene.kind]
    material = scene.word("material")
    if scene.kind == "projectile":
        return ("arc", "land", "rebound", "decay", "forward", "solid", "steady")
    if material == "clay":
        return ("fall", "land", "no rebound", "solid", "steady", "rest")
    height = "rebound high" if material == "rubber" else "rebound low"
    ending = ("rest",) if _settles(scene) else ()
    return ("fall", "land", "rebound", height, "decay", "solid", "steady", *ending)


def _names(scene: Scene) -> dict[str, str]:
    colour = str(scene.params.get("colour", ""))
    other = str(scene.params.get("other_colour", ""))
    return {
        "colour": colour,
        "other": other,
        "material": str(scene.params.get("material", "")),
        "b": f"the {colour} ball",
        "o": f"the {other} ball" if scene.kind == "collision" else "the stack",
    }


def _finish(sentence: str) -> str:
    tidy = re.sub(r"\b([Aa]) +(?=orange|iron)", r"\1n ", re.sub(r" +", " ", sentence)).strip()
    return tidy[0].upper() + tidy[1:]


def _pick(topic: Topic, wording: Wording, rng: np.random.Generator | None) -> str:
    sentences = topic.training if wording == "training" else topic.held_out
    return sentences[0] if rng is None else str(rng.choice(sentences))


def describe(scene: Scene, wording: Wording = "training") -> str:
    """The plain one-line description D of a scene: what is there and what starts it."""
    return _finish(_pick(DESCRIPTIONS[scene.kind], wording, None).format(**_names(scene)))


def all_cues(
    scene: Scene,
    wording: Wording = "training",
    rng: np.random.Generator | None = None,
    *,
    topics: Sequence[str] | None = None,
) -> str:
    """The description followed by one sentence for everything true of the scene.

    Args:
        scene: The scene to put into words.
        wording: ``"held_out"`` uses sentences the generator was never trained on.
        rng: Picks among the paraphrases; without one the first of each is taken.
        topics: What to state instead of everything true of the scene.
    """
    names = _names(scene)
    told = topics_of(scene) if topics is None else topics
    cues = [_pick(TOPICS[name], wording, rng).format(**names) for name in told]
    return " ".join([describe(scene, wording), *map(_finish, cues)])


def filler_only(scene: Scene, sentences: int, rng: np.random.Generator) -> str:
    """The description followed by held-out sentences that say nothing of physics."""
    count = min(sentences, len(FILLER.held_out))
    chosen = rng.choice(FILLER.held_out, size=count, replace=False)
    return " ".join([describe(scene), *map(str, chosen)])


@attrs.frozen
class Caption:
    """A training caption and the ``topics`` it states (truth for the text encoder)."""

    text: str
    topics: tuple[str, ...]


def sample_caption(
    scene: Scene,
    rng: np.random.Generator,
    unsaid: frozenset[str] = frozenset(),
    *,
    plain: float = 0.2,
    topics: Sequence[str] | None = None,
) -> Caption:
    """Draw a truthful caption of random completeness, wording, order and length.

    Args:
        scene: The scene shown.
        rng: Source of every choice.
        unsaid: Topics that are not true of the clip and so must be left out.
        plain: Share of captions that state no topic at all.
        topics: What may be stated, for example of one second (see ``moments``); by default
            everything true of the scene.
    """
    names = _names(scene)
    if rng.random() < 0.5:
        names["b"] = "the ball"
    if rng.random() < 0.25:
        names["material"] = ""
    possible = topics_of(scene) if topics is None else topics
    told = [name for name in possible if name not in unsaid]
    style = rng.random()
    keep = 0.0 if style < plain else 1.0 if style > 0.6 else rng.uniform(0.2, 0.9)
    told = [name for name in told if rng.random() < keep]
    sentences = [_pick(TOPICS[name], "training", rng) for name in told]
    if names["b"] == "the ball" and scene.kind != "collision":
        sentences = [
            text.replace("{b}", "it") if rng.random() < 0.3 else text for text in sentences
        ]
    if rng.random() < 0.15:
        rng.shuffle(sentences)
    extra = min(int(rng.geometric(0.3)), 10) if rng.random() < 0.6 else 0
    for text in rng.choice(FILLER.training, size=extra, replace=False):
        sentences.insert(int(rng.integers(len(sentences) + 1)), str(text))
    if rng.random() < 0.85:
        sentences.insert(0, _pick(DESCRIPTIONS[scene.kind], "training", rng))
    text = " ".join(_finish(sentence.format(**names)) for sentence in sentences)
    return Caption(text=text, topics=tuple(told))
