"""Writing clips: a file, bytes in memory, or a folder of PNGs."""

from __future__ import annotations

import io
import logging
import shutil
from pathlib import Path
from typing import IO, Any

import av
import numpy as np
from attrs import evolve
from numpy.typing import NDArray

from phyrefine._atomic import faults_name, written_aside
from phyrefine.errors import VideoError
from phyrefine.video.footage import Footage
from phyrefine.video.large.lazy import resampled
from phyrefine.video.writing.encoder import encode, rgb_frame
from phyrefine.video.writing.encodings import GIF_MAX_FPS, Encoding, check_rate, encoding

log = logging.getLogger(__name__)

UInt8Array = NDArray[np.uint8]


def write_footage(
    footage: Footage, path: Path, *, lossless: bool = False, quality: int = 18
) -> Path:
    """Write a file or a folder of images; see ``Clip.write``.

    Raises:
        VideoError: A format, quality or rate that cannot be written, or a name that is none.
        OSError: The disk cannot be written; the path is in the message.
    """
    _refuse_bad_name(path)
    if not path.suffix:
        return _write_folder(footage, path)
    suffix = path.suffix[1:].lower()
    how = encoding(suffix, lossless=lossless, quality=quality)
    if path.is_dir():
        raise VideoError(f"{path} is a folder: choose another name for the video.")
    with written_aside(path) as aside:
        _encode(footage, str(aside), suffix, how)
    return path


def encode_footage(
    footage: Footage,
    format: str,  # noqa: A002 - PyAV's and PIL's word
    *,
    lossless: bool = False,
    quality: int = 18,
) -> bytes:
    """Encode in memory; see ``Clip.to_bytes``."""
    buffer = io.BytesIO()
    suffix = str(format).lower().removeprefix(".")
    _encode(footage, buffer, suffix, encoding(suffix, lossless=lossless, quality=quality))
    return buffer.getvalue()


def _refuse_bad_name(path: Path) -> None:
    name, text = path.name, str(path)
    if not name or "\0" in text or any("\ud800" <= letter <= "\udbff" for letter in text):
        raise VideoError(f"{text!r} is no name for a video.")
    if name.endswith(".") or (name.startswith(".") and not path.suffix):
        raise VideoError(
            f"{name!r} has no usable suffix: write NAME.mp4, NAME.mkv, NAME.webm or NAME.gif, or a "
            "plain folder name for images."
        )


def _encode(footage: Footage, target: str | IO[bytes], suffix: str, how: Encoding) -> None:
    if how.form == "gif":
        footage = _at_a_rate_gif_holds(footage)
    check_rate(footage.fps, suffix)
    try:
        encode(footage.frames, footage.fps, target, how)
    except OSError:
        raise
    except (av.FFmpegError, ValueError, OverflowError) as error:
        height, width = footage.frames.shape[1:3]
        raise VideoError(
            f"FFmpeg could not write {footage.frames.shape[0]} frames of {width}x{height} at "
            f"{footage.fps:g} fps as .{suffix}: {error}."
        ) from error


def _at_a_rate_gif_holds(footage: Footage) -> Footage:
    if footage.fps <= GIF_MAX_FPS:
        return footage
    log.warning(
        "A GIF holds at most %g frames per second; this one, of %g, is written at %g, by time.",
        GIF_MAX_FPS,
        footage.fps,
        GIF_MAX_FPS,
    )
    frames = resampled(footage.frames, footage.fps, GIF_MAX_FPS, None)
    return evolve(footage, frames=frames, fps=GIF_MAX_FPS)


def _write_folder(footage: Footage, path: Path) -> Path:
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise VideoError(f"{path} exists and is not an empty folder: choose another name.")
    aside = path.with_name(f".{path.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    with faults_name(path, instead_of=aside):
        aside.mkdir(parents=True)
        for index, frame in enumerate(footage.frames):
            (aside / f"{index:05d}.png").write_bytes(encode_png(frame))
        if path.exists():
            path.rmdir()
        aside.rename(path)
    return path


def encode_png(frame: UInt8Array) -> bytes:
    """A PNG of one uint8 [H, W, 3] frame."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="image2pipe") as container:
        stream: Any = container.add_stream("png", rate=1)
        stream.height, stream.width, stream.pix_fmt = frame.shape[0], frame.shape[1], "rgb24"
        container.mux(stream.encode(rgb_frame(frame)))
        container.mux(stream.encode(None))
    return buffer.getvalue()
