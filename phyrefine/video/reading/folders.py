"""Folders of images, in name order."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from phyrefine.errors import VideoError
from phyrefine.video.collecting import Stack
from phyrefine.video.footage import Footage, refuse_too_large
from phyrefine.video.large.lazy import taken
from phyrefine.video.reading.decoding import REMEDY
from phyrefine.video.reading.pillow import read_picture
from phyrefine.video.reading.request import Part
from phyrefine.video.reading.streams import Source

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif"})


def read_folder(path: Path, fps: float | None, part: Part) -> Footage:
    """All images of a folder as a video at ``fps``.

    Raises:
        VideoError: No images, no rate, images of several sizes, or too many.
    """
    files = images_in(path)
    if not files:
        raise VideoError(f"{path} holds no images ({', '.join(sorted(IMAGE_SUFFIXES))}).")
    if fps is None:
        raise VideoError(f"{path} is a folder of images and has no frame rate: pass fps=.")
    first = round(part.start * fps)
    files = files[max(0, len(files) + first) if first < 0 else first :]
    if part.seconds is not None:
        files = files[: max(1, round(part.seconds * fps))]
    if not files:
        raise VideoError(f"No frames from {part.start:g} s on: {path} holds fewer images.")
    single = Part(size=part.size, limit=part.limit)
    stack = Stack(len(files))
    for file in files:
        picture = taken(read_picture(Source(file, file.name), single).frames, [0])[0]
        if stack and picture.shape[:2] != stack.size:
            raise VideoError(f"The images in {path} differ in size.")
        refuse_too_large(len(files), picture.shape[:2], str(path), REMEDY, limit=part.limit)
        stack.add(np.ascontiguousarray(picture))
    return Footage(stack.whole(), fps, path.name)


def images_in(path: Path) -> list[Path]:
    """The images of a folder; numbers in names count as numbers."""
    return sorted(
        (item for item in path.iterdir() if item.suffix.lower() in IMAGE_SUFFIXES),
        key=lambda item: [
            (int(part), "") if part.isdecimal() else (-1, part)
            for part in re.split(r"(\d+)", item.name)
        ],
    )
