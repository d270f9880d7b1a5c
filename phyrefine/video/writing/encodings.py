"""How each format is written: codec, pixels, options, and what quality may be."""

from __future__ import annotations

import math

from attrs import frozen

from phyrefine.errors import VideoError

# Without this, x264 takes other paths on other processors, and with AVX-512 not even the same one
# twice: the same clip would give other bytes, and so another request, page or digest.
_REPEATABLE = {"x264-params": "cpu-independent=1"}
# GIF counts in hundredths of a second, and browsers slow down a picture shown for less than two.
GIF_MAX_FPS = 50.0
# Containers count in ticks: slower or faster than this no player follows.
FPS_RANGE = (0.01, 1000.0)


@frozen
class Encoding:
    """How a container is written: its FFmpeg name, codec, pixel format and encoder options."""

    form: str
    codec: str
    pixels: str
    options: dict[str, str]

    @property
    def is_yuv(self) -> bool:
        """Whether RGB is converted to YUV, whose matrix players must be told."""
        return self.pixels.startswith("yuv")


def encoding(suffix: str, *, lossless: bool, quality: int) -> Encoding:
    """The encoding of a format.

    Args:
        suffix: ``mp4``, ``mkv``, ``webm`` or ``gif``.
        lossless: Keep every pixel value.
        quality: Constant rate factor.

    Raises:
        VideoError: No such format, or it cannot be lossless, or the quality is out of range.
    """
    if suffix not in ("mp4", "mkv", "webm", "gif"):
        raise VideoError(
            f"Cannot write a .{suffix} video: use .mp4, .mkv (lossless), .webm or .gif, "
            "or a folder name for images."
        )
    if lossless and suffix not in ("mp4", "mkv"):
        raise VideoError(f"A .{suffix} cannot be lossless: use .mkv.")
    best = 63 if suffix == "webm" else 51
    if isinstance(quality, bool) or not isinstance(quality, int) or not 0 <= quality <= best:
        raise VideoError(
            f"The quality of a .{suffix} is a whole number from 0 (best) to {best}, not "
            f"{quality!r}."
        )
    if lossless or suffix == "mkv":
        form = "matroska" if suffix == "mkv" else suffix
        return Encoding(
            form, "libx264rgb", "rgb24", {"qp": "0", "preset": "ultrafast", **_REPEATABLE}
        )
    if suffix == "mp4":
        options = {"crf": str(quality), "preset": "veryfast", **_REPEATABLE}
        return Encoding("mp4", "libx264", "yuv420p", options)
    if suffix == "webm":
        speed = {"row-mt": "1", "deadline": "realtime", "cpu-used": "6"}
        return Encoding("webm", "libvpx-vp9", "yuv420p", {"crf": str(quality), "b": "0", **speed})
    return Encoding("gif", "gif", "pal8", {})


def check_rate(fps: float, suffix: str) -> None:
    """Refuse rates that no container holds.

    Raises:
        VideoError: Outside of :data:`FPS_RANGE`.
    """
    low, high = FPS_RANGE
    if not (math.isfinite(fps) and low <= fps <= high):
        raise VideoError(
            f"A .{suffix} cannot hold {fps:g} frames per second, only {low:g} to {high:g}: "
            "resample the clip first."
        )
