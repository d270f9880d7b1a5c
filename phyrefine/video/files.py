"""Clips from and to files, through PyAV. Everything that knows a codec is here."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av
import numpy as np
from attrs import frozen
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from phyrefine._atomic import written_aside
from phyrefine.errors import VideoError
from phyrefine.video.collecting import Stack
from phyrefine.video.frames import as_rgb

UInt8Array = NDArray[np.uint8]

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
# A stream whose frame times stray further than this from an even grid (in frames) is resampled.
UNEVEN = 0.3
# A file may promise this much more than it holds before it counts as cut off.
MISSING_SECONDS = 0.5
MAX_FPS = 240.0


@frozen
class Footage:
    """Frames as a file holds them: uint8 [T, H, W, 3], frames per second, a name for messages."""

    frames: UInt8Array
    fps: float
    source: str | None


@frozen
class _Encoding:
    """How a container is written: codec, pixel format and encoder options."""

    codec: str
    pixels: str
    options: dict[str, str]


# Without this, x264 takes other paths on other processors, and with AVX-512 not even the same one
# twice: the same clip would give other bytes, and so another request, page or digest.
_REPEATABLE = {"x264-params": "cpu-independent=1"}

LOSSLESS = _Encoding("libx264rgb", "rgb24", {"qp": "0", "preset": "ultrafast", **_REPEATABLE})


def _encoding(suffix: str, quality: int) -> _Encoding:
    if suffix == "mkv":
        return LOSSLESS
    if suffix == "mp4":
        options = {"crf": str(quality), "preset": "veryfast", **_REPEATABLE}
        return _Encoding("libx264", "yuv420p", options)
    if suffix == "webm":
        return _Encoding(
            "libvpx-vp9",
            "yuv420p",
            {"crf": str(quality), "b": "0", "row-mt": "1", "deadline": "realtime", "cpu-used": "6"},
        )
    if suffix == "gif":
        return _Encoding("gif", "pal8", {})
    raise VideoError(
        f"Cannot write a .{suffix} video: use .mp4, .mkv (lossless), .webm or .gif, "
        "or a folder name for images."
    )


# -- reading -----------------------------------------------------------------------------------


def read_footage(path: Path, *, fps: float | None = None) -> Footage:
    """Read a file, or a folder of images at ``fps``; see :meth:`Clip.read`."""
    if not path.exists():
        raise VideoError(f"No such video: {path}")
    if path.is_dir():
        return _read_folder(path, fps)
    if path.stat().st_size == 0:
        raise VideoError(f"{path} is empty (0 bytes).")
    return _decode(str(path), source=path.name)


def decode_footage(data: bytes, *, source: str = "bytes") -> Footage:
    """Read an encoded video in memory; see :meth:`Clip.from_bytes`."""
    if not data:
        raise VideoError(f"{source} is empty (0 bytes).")
    return _decode(io.BytesIO(data), source=source)


def _decode(file: str | IO[bytes], *, source: str) -> Footage:
    try:
        with av.open(file) as container:
            if not container.streams.video:
                kind = "holds only sound" if container.streams.audio else "holds no video"
                raise VideoError(f"{source} {kind}: pass a video file.")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            nominal = float(stream.average_rate or stream.base_rate or 0)
            seconds = _promised_seconds(stream, container) or 0
            frames = Stack(stream.frames or round(seconds * nominal))
            times: list[float] = []
            _decode_frames(container, stream, source, frames, times)
            _refuse_truncated(stream, container, times, nominal, source)
    except av.FFmpegError as error:
        raise VideoError(
            f"{source} is not a readable video, or is cut off: {error}. "
            "Check that it plays, or re-encode it."
        ) from error
    return _on_even_grid(frames.whole(), times, nominal, source)


def _decode_frames(
    container: Any, stream: Any, source: str, frames: Stack, times: list[float]
) -> None:
    converter = VideoReformatter()
    try:
        for frame in container.decode(stream):
            picture = _to_rgb(frame, converter)
            if frames and picture.shape[:2] != frames.size:
                sizes = " to ".join(f"{w}x{h}" for h, w in (frames.size, picture.shape[:2]))
                raise VideoError(f"{source} changes its size midway ({sizes}): split it first.")
            frames.add(picture)
            times.append(float(frame.time) if frame.time is not None else float("nan"))
    except av.FFmpegError as error:
        raise VideoError(
            f"{source} is damaged after {len(frames)} frames: {error}. "
            "Copy it again, or re-encode it."
        ) from error
    if not frames:
        raise VideoError(f"{source} holds no frames: it is empty or cut off.")


def _to_rgb(frame: Any, converter: Any) -> UInt8Array:
    """uint8 [H, W, 3]; valid as long as the array is kept."""
    has_alpha = any(part.is_alpha for part in frame.format.components) or frame.format.has_palette
    channels = 4 if has_alpha else 3
    converted = converter.reformat(
        frame, format="rgba" if has_alpha else "rgb24", interpolation="BICUBIC", threads=1
    )
    part = converted.planes[0]
    rows = np.frombuffer(part, np.uint8).reshape(-1, part.line_size)
    pixels = rows[: frame.height, : frame.width * channels].reshape(frame.height, -1, channels)
    if has_alpha:
        pixels = as_rgb(pixels[None])[0]
    # Metadata counts counter-clockwise, as numpy does.
    return np.rot90(pixels, round(frame.rotation / 90) % 4)


def _refuse_truncated(
    stream: Any, container: Any, times: list[float], fps: float, source: str
) -> None:
    promised = _promised_seconds(stream, container)
    shown = times[-1] - times[0] + (1 / fps if fps else 0)
    cut_frames = stream.frames and len(times) < 0.98 * stream.frames - 1
    if cut_frames or (promised is not None and shown < 0.95 * promised - MISSING_SECONDS):
        whole = f"{promised:.2f} s" if promised is not None else f"{stream.frames} frames"
        raise VideoError(
            f"{source} is cut off: it promises {whole} and holds {len(times)} frames "
            f"({shown:.2f} s). Copy it again, or re-encode what is there."
        )


def _promised_seconds(stream: Any, container: Any) -> float | None:
    if stream.duration is not None and stream.time_base:
        return float(stream.duration * stream.time_base)
    tag = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag:
        hours, minutes, seconds = tag.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    only_video = len(container.streams) == 1
    return container.duration / av.time_base if only_video and container.duration else None


def _on_even_grid(stack: UInt8Array, times: list[float], nominal: float, source: str) -> Footage:
    """Variable frame rate becomes constant, by time; constant stays frame for frame."""
    at = np.asarray(times) - times[0]
    if len(stack) == 1 or not np.isfinite(at).all():
        return Footage(stack, nominal or 24.0, source)
    mean = (len(at) - 1) / at[-1] if at[-1] > 0 else nominal or 24.0
    if np.abs(at * mean - np.arange(len(at))).max() <= UNEVEN:
        # The container's own fraction (30000/1001) is more exact than measured times.
        rate = nominal if nominal and abs(nominal - mean) < 0.02 * mean else mean
        return Footage(stack, rate, source)
    steps = np.diff(at)
    rate = min(MAX_FPS, 1.0 / float(np.median(steps[steps > 0])))
    end = at[-1] + float(np.median(steps))
    ticks = np.arange(max(1, round(end * rate))) / rate
    shown = np.searchsorted(at, ticks + 1e-6, side="right") - 1
    return Footage(stack[shown], rate, source)


def _read_folder(path: Path, fps: float | None) -> Footage:
    files = sorted(
        (item for item in path.iterdir() if item.suffix.lower() in IMAGE_SUFFIXES),
        key=lambda item: [
            int(part) if part.isdigit() else part for part in re.split(r"(\d+)", item.name)
        ],
    )
    if not files:
        raise VideoError(f"{path} holds no images ({', '.join(sorted(IMAGE_SUFFIXES))}).")
    if fps is None:
        raise VideoError(f"{path} is a folder of images and has no frame rate: pass fps=.")
    images = [_decode(str(file), source=file.name).frames[0] for file in files]
    if len({image.shape for image in images}) > 1:
        raise VideoError(f"The images in {path} differ in size.")
    return Footage(np.stack(images), fps, path.name)


# -- writing -----------------------------------------------------------------------------------


def write_footage(
    footage: Footage, path: Path, *, lossless: bool = False, quality: int = 18
) -> Path:
    """Write a file or a folder of images; see :meth:`Clip.write`."""
    if not path.suffix:
        return _write_folder(footage, path)
    suffix = path.suffix[1:].lower()
    how = _how(suffix, lossless=lossless, quality=quality)
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
    """Encode in memory; see :meth:`Clip.to_bytes`."""
    buffer = io.BytesIO()
    _encode(footage, buffer, format, _how(format, lossless=lossless, quality=quality))
    return buffer.getvalue()


def _how(suffix: str, *, lossless: bool, quality: int) -> _Encoding:
    how = _encoding(suffix, quality)
    if lossless and suffix not in ("mp4", "mkv"):
        raise VideoError(f"A .{suffix} cannot be lossless: use .mkv.")
    return LOSSLESS if lossless else how


def _encode(footage: Footage, target: str | IO[bytes], suffix: str, how: _Encoding) -> None:
    frames = _even_size(footage.frames) if how.pixels == "yuv420p" else footage.frames
    rate = Fraction(footage.fps).limit_denominator(100_000)
    # The index goes to the front, so that a file plays while it loads; it takes a second pass
    # over the file, which memory does not offer.
    options = {"movflags": "+faststart"} if suffix == "mp4" and isinstance(target, str) else {}
    form = {"mkv": "matroska"}.get(suffix, suffix)
    with av.open(target, "w", format=form, container_options=options) as container:
        stream: Any = container.add_stream(how.codec, rate=rate, options=how.options)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], how.pixels
        if how.codec in ("libx264", "libx264rgb"):
            stream.codec_context.thread_count = 0
        pictures = (
            _palette(frames, rate) if suffix == "gif" else _pictures(frames, rate, how.pixels)
        )
        for picture in pictures:
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _even_size(frames: UInt8Array) -> UInt8Array:
    odd_h, odd_w = frames.shape[1] % 2, frames.shape[2] % 2
    if not odd_h and not odd_w:
        return frames
    return np.pad(frames, ((0, 0), (0, odd_h), (0, odd_w), (0, 0)), mode="edge")


def _pictures(frames: UInt8Array, rate: Fraction, pixels: str) -> Iterator[Any]:
    # One converter for all frames, without threads: setting those up takes longer than the work.
    converter = VideoReformatter()
    for index, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
        if pixels != "rgb24":
            picture = converter.reformat(picture, format=pixels, interpolation="BICUBIC", threads=1)
        picture.pts, picture.time_base = index, 1 / rate
        yield picture


def _palette(frames: UInt8Array, rate: Fraction) -> Iterator[Any]:
    """One palette for the whole GIF, by FFmpeg's palettegen and paletteuse."""
    graph = av.filter.Graph()
    template = av.VideoFrame.from_ndarray(frames[0], format="rgb24")
    source = graph.add_buffer(
        width=template.width, height=template.height, format=template.format, time_base=1 / rate
    )
    split, make = graph.add("split"), graph.add("palettegen", "stats_mode=full")
    use, sink = graph.add("paletteuse", "dither=none"), graph.add("buffersink")
    source.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(make, 1, 0)
    make.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    for picture in _pictures(frames, rate, "rgb24"):
        graph.push(picture)
    graph.push(None)
    for _ in frames:
        yield graph.pull()


def _write_folder(footage: Footage, path: Path) -> Path:
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise VideoError(f"{path} exists and is not an empty folder: choose another name.")
    aside = path.with_name(f".{path.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
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
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return buffer.getvalue()
