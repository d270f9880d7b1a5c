"""The embedded world as a data set in the official layout: six scenes and more, no download."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.layout import CATEGORIES, Edition
from phyrefine.physics_iq.synthetic import SceneText, Take, build_dataset
from phyrefine.video.clip import Clip

_FIRST_SEED = 20_000
_SIZE = (96, 128)
_DOMAINS = {
    "solid mechanics": CATEGORIES[0],
    "fluid dynamics": CATEGORIES[1],
    "optics": CATEGORIES[2],
    "thermodynamics": CATEGORIES[3],
    "magnetism": CATEGORIES[4],
}


def build_world_dataset(
    folder: Path,
    *,
    scenes: int = 6,
    rates: Iterable[int] = (30, 24),
    size: tuple[int, int] = _SIZE,
    edition: Edition = Edition.ORIGINAL,
) -> Path:
    """Simulate and render scenes of the embedded world, its kinds in turn.

    Args:
        folder: Where the data set is made.
        scenes: How many, from three cameras each.
        rates: Frame rates to write.
        size: (height, width) in pixels.
        edition: Under which folder name.

    Returns:
        The benchmark's folder.
    """
    from phyrefine.world.truth.scenes import (
        KINDS,
        Camera,
        describe,
        render,
        sample_scene,
        simulate,
    )

    kinds = tuple(KINDS)
    drawn = [sample_scene(kinds[i % len(kinds)], _FIRST_SEED + i) for i in range(scenes)]

    def film(take: Take) -> Clip:
        trajectory = simulate(drawn[take.scene], take.take, take.seconds, take.fps)
        camera = cast("Camera", take.view.removeprefix("perspective-"))
        return Clip(render(trajectory, (take.size[1], take.size[0]), camera), take.fps)

    texts = [
        SceneText(f"world-{index:02d}-{scene.kind}", describe(scene), _category(scene.domain))
        for index, scene in enumerate(drawn)
    ]
    return build_dataset(folder, film, texts, edition=edition, size=size, rates=tuple(rates))


def _category(domain: str) -> str:
    try:
        return _DOMAINS[domain.replace("_", " ").lower()]
    except KeyError as error:
        raise InvalidInputError(f"The world's domain {domain!r} has no category.") from error
