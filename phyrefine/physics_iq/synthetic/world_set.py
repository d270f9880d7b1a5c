"""The embedded world as a data set in the official layout: six scenes and more, no download."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.data.layout import BASE_FPS, CATEGORIES, Edition
from phyrefine.physics_iq.synthetic.dataset import SceneText, Take, build_dataset
from phyrefine.run.store.disk import read_json, write_json
from phyrefine.video.clip import Clip

_MARK = "made-scenes.json"

_FIRST_SEED = 20_000
_SIZE = (96, 128)
_DOMAINS = {
    "solid mechanics": CATEGORIES[0],
    "fluid dynamics": CATEGORIES[1],
    "optics": CATEGORIES[2],
    "thermodynamics": CATEGORIES[3],
    "magnetism": CATEGORIES[4],
}


def made_world_dataset(folder: Path, *, scenes: int, fps: int, edition: Edition) -> None:
    """See that a folder holds such a data set at 30 FPS and ``fps``; it is made when missing.

    Args:
        folder: A new folder, or one that this function filled.
        scenes: As in :func:`build_world_dataset`.
        fps: A further rate.
        edition: Under which folder name.

    Raises:
        InvalidInputError: The folder holds something else, perhaps a download.
    """
    rates = sorted({BASE_FPS, fps})
    wanted = {"scenes": scenes, "rates": rates, "edition": edition.value}
    mark = folder / _MARK
    try:
        there = read_json(mark)
    except ValueError as error:
        raise InvalidInputError(f"{mark} is damaged: {error}. Name a new folder.") from error
    if there is None:
        _require_room(folder)
        write_json(mark, wanted)
    elif there != wanted:
        raise InvalidInputError(
            f"{folder} was made with {there}, not {wanted}: name a new folder, or leave out "
            "--make-scenes to use what is there."
        )
    # Written last: without it the making was interrupted.
    if not (folder / "descriptions.csv").is_file():
        build_world_dataset(folder, scenes=scenes, rates=rates, edition=edition)


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


def _require_room(folder: Path) -> None:
    names = {item.folder for item in Edition}
    if folder.absolute().name in names or (folder.is_dir() and any(folder.iterdir())):
        raise InvalidInputError(
            f"{folder} is not empty or is called like a download: scenes are made in a new folder "
            "with another name, so that they never mix with the benchmark."
        )


def _category(domain: str) -> str:
    try:
        return _DOMAINS[domain.replace("_", " ").lower()]
    except KeyError as error:
        raise InvalidInputError(f"The world's domain {domain!r} has no category.") from error
