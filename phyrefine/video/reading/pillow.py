"""Pictures through Pillow: upright, whole (AVIF and HEIC are made of tiles), animated or not."""

from __future__ import annotations

import contextlib
import itertools
import logging
import warnings
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from phyrefine._optional import installed, require
from phyrefine.errors import MissingDependencyError, VideoError
from phyrefine.video.collecting import Stack
from phyrefine.video.footage import Footage, refuse_too_large
from phyrefine.video.frames import from_pil, resize
from phyrefine.video.reading.decoding import REMEDY
from phyrefine.video.reading.request import Part
from phyrefine.video.reading.streams import Source
from phyrefine.video.reading.timing import Rates, even_grid

UInt8Array = NDArray[np.uint8]

log = logging.getLogger(__name__)

_MOVING = ("WEBP", "AVIF")
_MILLISECOND = 0.001


def has_heif() -> bool:
    """Whether HEIC can be read as one picture."""
    return installed("pillow_heif")


def read_picture(source: Source, part: Part, *, heif: bool = False) -> Footage:
    """A picture, or an animated WebP or AVIF.

    Args:
        source: The file.
        part: What is wanted of it.
        heif: It is a HEIC.

    Raises:
        VideoError: Damaged, too large, or without frames in the part.
    """
    try:
        with _told(source), source.open() as file, _opened(file, heif) as image:
            return _read(image, source, part)
    except (VideoError, MissingDependencyError):
        raise
    except Exception as error:  # Pillow's readers raise whatever a damaged file makes of them
        raise VideoError(
            f"{source.name} is damaged, cut off or no readable picture: {error}. Copy it again, or "
            "convert it to PNG."
        ) from error


@contextlib.contextmanager
def _told(source: Source) -> Iterator[None]:
    """What Pillow warns of, as lines of the log that name the file."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        yield
    for message in dict.fromkeys(str(one.message).strip() for one in said):
        log.warning("%s: %s", source.name, message)


@contextlib.contextmanager
def _opened(file: IO[bytes], heif: bool) -> Iterator[Any]:
    if heif:
        library = require("pillow_heif", extra="heic", feature="Reading HEIC")
        yield library.open_heif(file, convert_hdr_to_8bit=True).to_pillow()
        return
    with Image.open(file) as image:
        yield image


def _read(image: Any, source: Source, part: Part) -> Footage:
    pages = getattr(image, "n_frames", 1)
    moves = image.format in _MOVING and pages > 1
    count = pages if moves else 1
    size = image.size[::-1] if part.size is None else part.size
    refuse_too_large(count, size, source.name, REMEDY, limit=part.limit)
    stack, seconds = Stack(count), []
    for index in range(count):
        if moves:
            image.seek(index)
        if moves:
            picture = from_pil(ImageOps.exif_transpose(image))
        else:
            ImageOps.exif_transpose(image, in_place=True)  # copies only what must be turned
            picture = from_pil(image)
        if part.size is not None and picture.shape[:2] != part.size:
            picture = resize(picture[None], *part.size)[0]
        if not moves:
            notes = () if pages == 1 else (f"the first of {pages} pictures",)
            return Footage(picture[None], 24.0, source.name, notes)
        stack.add(picture)
        seconds.append(image.info.get("duration", 0) * _MILLISECOND)
    return _even(stack.whole(), seconds, source, part)


def _even(frames: UInt8Array, seconds: list[float], source: Source, part: Part) -> Footage:
    times = list(itertools.accumulate(seconds[:-1], initial=0.0))
    shown, fps = even_grid(times, seconds[-1], Rates(tick=_MILLISECOND))
    refuse_too_large(len(shown), frames.shape[1:3], source.name, REMEDY, limit=part.limit)
    if not part.whole:
        first = round(part.start * fps)
        shown = shown[max(0, len(shown) + first) if first < 0 else first :]
        if part.seconds is not None:
            shown = shown[: max(1, round(part.seconds * fps))]
    if not len(shown):
        raise VideoError(f"No frames from {part.start:g} s on: {source.name} is shorter.")
    return Footage(frames[shown], fps, source.name)
