"""Pure functions on frame arrays: color, rate and size. No files here."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phyrefine.errors import VideoError
from phyrefine.video.footage import refuse_too_large
from phyrefine.video.numbers import as_array

UInt8Array = NDArray[np.uint8]
_kept = threading.local()
_SMALLER = "Ask for a smaller size or a lower rate."


def as_rgb(value: Any) -> UInt8Array:
    """uint8 [T, H, W, 3] from the usual arrays and tensors; see ``Clip.from_array``."""
    frames = as_array(value)
    if frames.ndim != 4:
        raise VideoError(
            f"Frames must have four axes, [T, H, W, C] or [T, C, H, W], not shape "
            f"{list(frames.shape)}."
        )
    if frames.shape[-1] not in (1, 3, 4) and frames.shape[1] in (1, 3, 4):
        frames = frames.transpose(0, 2, 3, 1)
    if frames.shape[-1] not in (1, 3, 4) or 0 in frames.shape:
        raise VideoError(
            f"Frames must have 1, 3 or 4 channels and no empty axis, not shape "
            f"{list(frames.shape)}."
        )
    return _over_black(_as_uint8(frames))


def from_pil(image: Any) -> UInt8Array:
    """uint8 [H, W, 3] of a PIL image; alpha lies over black, 16 bits become 8.

    Raises:
        VideoError: It is no PIL image, or of a mode whose range nobody knows.
    """
    mode = getattr(image, "mode", None)
    if not isinstance(mode, str) or not hasattr(image, "convert"):
        raise VideoError(
            f"Not a PIL image: {type(image).__name__}. Arrays and tensors go through "
            "Clip.from_array, files through Clip.read."
        )
    if mode.startswith("I;16"):
        wide = np.asarray(image).astype(np.uint32)
        return _one(((wide * 255 + 32767) // 65535).astype(np.uint8)[..., None])
    if mode == "F":
        return _one(np.asarray(image)[..., None])
    if mode == "I":
        raise VideoError(
            "A PIL image of mode I has no stated range: convert it to I;16 (0..65535) or L first."
        )
    alpha = mode in ("RGBA", "LA", "La", "PA", "RGBa") or "transparency" in image.info
    wanted = "RGBA" if alpha else "RGB"
    return _one(np.asarray(image if mode == wanted else image.convert(wanted)))


def _one(picture: NDArray[Any]) -> UInt8Array:
    frames: UInt8Array = as_rgb(picture[None])
    pixels: UInt8Array = frames[0]
    return pixels


def _as_uint8(frames: NDArray[Any]) -> UInt8Array:
    if frames.dtype == np.uint8:
        return frames
    if not np.issubdtype(frames.dtype, np.floating):
        raise VideoError(f"Frames must be uint8 in 0..255 or floats in 0..1, not {frames.dtype}.")
    low, high = float(frames.min()), float(frames.max())
    # A hair outside 0..1 is rounding in somebody's decoder; more is another value range.
    if not (low >= -0.01 and high <= 1.01):
        raise VideoError(
            f"Float frames must lie in 0..1; these reach from {low:.3g} to {high:.3g}. "
            "Rescale them first."
        )
    scaled: UInt8Array = np.rint(np.clip(frames, 0, 1) * 255).astype(np.uint8)
    return scaled


def _over_black(frames: UInt8Array) -> UInt8Array:
    if frames.shape[-1] == 1:
        return np.repeat(frames, 3, axis=-1)
    if frames.shape[-1] == 3:
        return frames
    alpha = frames[..., 3:].astype(np.uint16)
    blended: UInt8Array = ((frames[..., :3] * alpha + 127) // 255).astype(np.uint8)
    return blended


def resample_indices(
    count: int, fps: float, new_fps: float, new_count: int | None = None
) -> NDArray[np.intp]:
    """Which old frame is on screen when each new frame starts: int [new_count].

    Frame ``i`` is on screen over ``[i / fps, (i + 1) / fps)``. The small tolerance keeps a time
    that falls on a frame's start from rounding into the frame before.
    """
    if new_count is None:
        new_count = max(1, round(count * new_fps / fps))
    shown = np.floor(np.arange(new_count) * (fps / new_fps) + 1e-6).astype(np.intp)
    indices: NDArray[np.intp] = np.minimum(shown, count - 1)
    return indices


def resample(
    frames: UInt8Array, fps: float, new_fps: float, count: int | None = None
) -> UInt8Array:
    """Frames at another rate, by time (zero-order hold)."""
    if new_fps <= 0:
        raise VideoError(f"A frame rate must be above 0, not {new_fps!r}.")
    if fps == new_fps and (count is None or count == len(frames)):
        return frames
    wanted = count if count is not None else len(frames) * new_fps / fps
    refuse_too_large(wanted, frames.shape[1:3], f"A clip at {new_fps:g} fps", _SMALLER)
    taken: UInt8Array = frames[resample_indices(len(frames), fps, new_fps, count)]
    return taken


def fit_box(height: int, width: int, new_height: int, new_width: int) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the largest centered crop with the new aspect ratio."""
    scale = min(height / new_height, width / new_width)
    crop_h, crop_w = max(1, round(new_height * scale)), max(1, round(new_width * scale))
    return (height - crop_h) // 2, (width - crop_w) // 2, crop_h, crop_w


def resize(frames: UInt8Array, height: int, width: int, *, mode: str = "fit") -> UInt8Array:
    """Frames at another size, with FFmpeg's bicubic filter (antialiased when shrinking).

    Args:
        frames: uint8 [T, H, W, 3].
        height: New height in pixels.
        width: New width in pixels.
        mode: ``"fit"`` keeps the aspect, covers and crops the center; ``"pad"`` keeps the aspect
            and adds black bars; ``"stretch"`` ignores the aspect.

    Raises:
        VideoError: Sizes below 1 or an unknown mode.
    """
    if height < 1 or width < 1:
        raise VideoError(f"A size must be at least 1x1 pixels, not {width}x{height}.")
    if mode not in ("fit", "pad", "stretch"):  # a list or a number is an unknown mode too
        raise VideoError(f"Unknown resize mode {mode!r}: use 'fit', 'pad' or 'stretch'.")
    if frames.shape[1:3] == (height, width):
        return frames
    refuse_too_large(len(frames), (height, width), f"A clip of {width}x{height}", _SMALLER)
    if mode == "pad":
        return _letterbox(frames, height, width)
    if mode == "fit":
        top, left, crop_h, crop_w = fit_box(frames.shape[1], frames.shape[2], height, width)
        frames = frames[:, top : top + crop_h, left : left + crop_w]
    return _scale(frames, height, width)


def _letterbox(frames: UInt8Array, height: int, width: int) -> UInt8Array:
    scale = min(height / frames.shape[1], width / frames.shape[2])
    inner_h = min(height, max(1, round(frames.shape[1] * scale)))
    inner_w = min(width, max(1, round(frames.shape[2] * scale)))
    out = np.zeros((len(frames), height, width, 3), np.uint8)
    top, left = (height - inner_h) // 2, (width - inner_w) // 2
    out[:, top : top + inner_h, left : left + inner_w] = _scale(frames, inner_h, inner_w)
    return out


def _converter() -> Any:
    """One converter a thread: PyAV 19 gives back only part of the memory of each."""
    from av.video.reformatter import VideoReformatter

    if not hasattr(_kept, "converter"):
        _kept.converter = VideoReformatter()
    return _kept.converter


def _scale(frames: UInt8Array, height: int, width: int) -> UInt8Array:
    if frames.shape[1:3] == (height, width):
        return frames
    import av

    converter = _converter()
    out = np.empty((len(frames), height, width, 3), np.uint8)
    for index, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        scaled = converter.reformat(
            picture, width=width, height=height, interpolation="BICUBIC", threads=1
        )
        out[index] = scaled.to_ndarray()
    return out
