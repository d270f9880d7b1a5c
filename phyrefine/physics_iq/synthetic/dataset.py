"""A small data set of one's own in the official layout, for trying the whole way to the table.

Who renders is free: any function from a :class:`Take` to a clip of 8 s. Scores on such a set say
nothing about the real benchmark.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs
import av
import numpy as np

from phyrefine._atomic import written_aside
from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.data.decoding import BgrReader, UInt8, decode, opencv, planes
from phyrefine.physics_iq.data.layout import (
    BASE_FPS,
    CATEGORIES,
    CONDITIONING_SECONDS,
    SAMPLES,
    TAKES,
    TEST_SECONDS,
    VIEWS,
    Edition,
    Sample,
)
from phyrefine.physics_iq.metrics.masks import OFF, ON, MotionMasker, set_up_encoder
from phyrefine.video.clip import Clip

SECONDS = CONDITIONING_SECONDS + TEST_SECONDS
_CRF = 18


@attrs.frozen
class Take:
    """What a renderer is asked for: one performance of a scene, seen by one camera.

    Attributes:
        scene: Counts from 0.
        view: One of ``VIEWS``; a renderer may ignore it.
        take: 1 or 2: the same experiment again, with small differences.
        seconds: 3 s that condition, 5 s that are scored.
        fps: Frames per second.
        size: (height, width) in pixels.
    """

    scene: int
    view: str
    take: int
    seconds: float
    fps: int
    size: tuple[int, int]


Renderer = Callable[[Take], Clip]


@attrs.frozen
class SceneText:
    """The words of a scene.

    Attributes:
        name: A short name in lower case with dashes.
        description: The prompt.
        category: One of the benchmark's five.
    """

    name: str
    description: str
    category: str = CATEGORIES[0]


def build_dataset(
    folder: Path,
    render: Renderer,
    scenes: Sequence[SceneText],
    *,
    edition: Edition = Edition.ORIGINAL,
    size: tuple[int, int] = (96, 160),
    rates: Iterable[int] = (BASE_FPS, 24),
) -> Path:
    """Render scenes from three cameras, two takes each, in the official layout.

    Args:
        folder: Where the benchmark's folder and ``descriptions.csv`` are made.
        render: Makes each take.
        scenes: At most 66.
        edition: Under which folder name.
        size: (height, width) of the footage.
        rates: Frame rates to write; 30 is what the official programs need.

    Returns:
        The benchmark's folder.

    Raises:
        InvalidInputError: Too many scenes, a name the layout cannot carry, or a renderer that
            gives another length.
    """
    _check(scenes)
    root = folder / edition.folder
    rows = []
    for index, scene in enumerate(scenes):
        for place, view in enumerate(VIEWS):
            number = 3 * index + place + 1
            name = f"trimmed-{scene.name}"
            sample = Sample(number, name, view, scene.description, scene.category)
            for take in (1, 2):
                for fps in rates:
                    asked = Take(index, view, take, SECONDS, fps, size)
                    _write_take(root, sample, take, fps, _whole(render(asked), asked))
                rows.append((take, sample))
    _write_descriptions(
        folder / "descriptions.csv", sorted(rows, key=lambda r: (r[0], r[1].number))
    )
    return root


def write_mask_file(video: Path, path: Path, fps: int) -> None:
    """The mask file of a clip: MPEG-4 part 2, even size, the official program's pictures.

    Args:
        video: The clip.
        path: The mask file to write.
        fps: Its rate, rounded.
    """
    masker, reader = MotionMasker(), BgrReader()
    with written_aside(path) as aside, av.open(str(aside), "w", format="mp4") as container:
        stream: Any = None
        for frame in decode(video):
            mask = masker.push(reader.read(frame))
            height, width = (side - side % 2 for side in mask.shape)
            if stream is None:
                stream = container.add_stream("mpeg4", rate=fps)
                set_up_encoder(stream.codec_context, fps, (height, width))
            container.mux(stream.encode(_gray_picture(mask[:height, :width])))
        container.mux(stream.encode(None))


def _gray_picture(mask: UInt8) -> Any:
    picture = av.VideoFrame(mask.shape[1], mask.shape[0], "yuv420p")
    luma, *chroma = planes(picture)
    luma[:] = np.where(mask > 0, np.uint8(ON), np.uint8(OFF))
    for part in chroma:
        part[:] = 128
    return picture


def _check(scenes: Sequence[SceneText]) -> None:
    if not 0 < len(scenes) <= SAMPLES // len(VIEWS):
        raise InvalidInputError(f"A data set holds 1 to {SAMPLES // len(VIEWS)} scenes.")
    wrong = [s.name for s in scenes if not s.name or "_" in s.name or "/" in s.name]
    if wrong or len({s.name for s in scenes}) != len(scenes):
        raise InvalidInputError(
            f"Scene names must differ and hold no underscore or slash: {wrong or 'repeated names'}."
        )


def _whole(clip: Clip, asked: Take) -> Clip:
    if len(clip) != round(asked.seconds * asked.fps) or clip.size != asked.size:
        raise InvalidInputError(
            f"The renderer gave {len(clip)} frames of {clip.size} for {asked}: "
            f"{round(asked.seconds * asked.fps)} frames of {asked.size} are needed."
        )
    return clip


def _write_take(root: Path, sample: Sample, take: int, fps: int, clip: Clip) -> None:
    split = CONDITIONING_SECONDS * fps
    parts = root / "split-videos"
    before, after = Clip(clip.frames[:split], fps), Clip(clip.frames[split:], fps)
    conditioning = parts / "conditioning" / f"{fps}FPS" / sample.conditioning_name(take, fps)
    testing = parts / "testing" / f"{fps}FPS" / sample.testing_name(take, fps)
    before.write(conditioning, quality=_CRF)
    after.write(testing, quality=_CRF)
    mask = root / "video-masks" / "real" / f"{fps}FPS" / sample.mask_name(take, fps)
    write_mask_file(testing, mask, fps)
    if take == 1:
        _write_jpeg(root / "switch-frames" / sample.switch_frame_name, before.frames[-1])


def _write_jpeg(path: Path, frame: UInt8) -> None:
    cv = opencv()
    done, data = cv.imencode(".jpg", np.ascontiguousarray(frame[..., ::-1]))
    assert done
    with written_aside(path) as aside:
        aside.write_bytes(data.tobytes())


def _write_descriptions(path: Path, rows: Iterable[tuple[int, Sample]]) -> None:
    with written_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["scenario", "description", "category", "generated_video_name"])
        for take, sample in rows:
            number = sample.number + SAMPLES * (take - 1)
            scenario = f"{number:04d}_{sample.view}_{TAKES[take - 1]}_{sample.scene}.mp4"
            generated = f"{number:04d}_{sample.view}_{sample.scene}.mp4"
            writer.writerow([scenario, sample.description, sample.category, generated])
