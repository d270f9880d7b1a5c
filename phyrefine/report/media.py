"""Clips as a page carries them: small, encoded, inside ``data:`` addresses."""

from __future__ import annotations

import base64
import io
from typing import Any

import av
import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.video.clip import Clip

UInt8Array = NDArray[np.uint8]

# Longer side of a video on a page with few clips, in pixels, and the least it shrinks to.
PAGE_PIXELS = 384
LEAST_PIXELS = 160
# H.264 halves the resolution of color, which ruins clips of a few dozen pixels: those are
# enlarged by whole factors to at least this, pixel for pixel.
TINY_PIXELS = 320
# H.264 rate factor; at page size artifacts stay below what one sees.
PAGE_QUALITY = 28


@frozen
class Media:
    """One encoded video or image of a page.

    Attributes:
        uri: ``data:`` address with the encoded bytes.
        frames: Frames, before and after encoding.
        fps: Frames per second.
        seconds: Duration.
        width: Pixels on the page.
        height: Pixels on the page.
        label: Frames, size and rate of the clip it was made from.
        poster: ``data:`` address of the frame shown before the video is loaded.
    """

    uri: str
    frames: int
    fps: float
    seconds: float
    width: int
    height: int
    label: str
    poster: str


@frozen
class PageClip:
    """A clip on a page.

    Attributes:
        delivered: As it was asked for.
        native: As the model made it; ``None`` when that is the same.
        stills: ``data:`` address of a strip of frames from start to end.
    """

    delivered: Media
    native: Media | None
    stills: str


def pixels_for(clips: int) -> int:
    """Longer side in pixels for a page of so many clips: many clips are shown smaller."""
    shrink = max(1.0, clips / 16) ** 0.5
    return max(LEAST_PIXELS, int(PAGE_PIXELS / shrink) // 2 * 2)


def page_clip(clip: Clip, *, pixels: int = PAGE_PIXELS, poster: int = 0) -> PageClip:
    """Encode a clip, its native frames where they differ, and a strip of stills.

    Args:
        clip: What to show.
        pixels: Longer side on the page, at most.
        poster: Index of the frame shown before a video is loaded.
    """
    native = clip.native
    same = native is None or (native.fps == clip.fps and native.size == clip.size)
    return PageClip(
        video(clip, pixels=pixels, poster=poster),
        None if same else video(clip.as_made, pixels=pixels),
        stills(clip.as_made),
    )


def video(
    clip: Clip, *, pixels: int = PAGE_PIXELS, quality: int = PAGE_QUALITY, poster: int = 0
) -> Media:
    """Encode a clip for a page; the longer side is at most ``pixels``."""
    small = at_page_size(clip, pixels)
    data = small.to_bytes("mp4", quality=quality)
    return Media(
        uri=_data_uri("video/mp4", data),
        frames=len(clip),
        fps=clip.fps,
        seconds=clip.duration,
        width=small.width,
        height=small.height,
        label=f"{len(clip)} frames of {clip.width}×{clip.height} at {clip.fps:g} fps",
        poster=image(small.take([poster])[0]),
    )


def stills(clip: Clip, *, count: int = 6, pixels: int = 128) -> str:
    """A strip of ``count`` frames spread from the first to the last, as a ``data:`` address."""
    chosen = np.unique(np.linspace(0, len(clip) - 1, min(count, len(clip))).round().astype(int))
    small = at_page_size(Clip(clip.take(chosen), clip.fps), pixels, least=pixels)
    gap = np.full((small.height, 2, 3), 255, np.uint8)
    parts = [part for frame in small.frames for part in (gap, frame)]
    return image(np.concatenate(parts[1:], axis=1))


def image(frame: UInt8Array) -> str:
    """A ``data:`` address of one uint8 [H, W, 3] frame, as JPEG."""
    height, width = frame.shape[0] // 2 * 2 or 2, frame.shape[1] // 2 * 2 or 2
    even = np.ascontiguousarray(np.resize(frame, (2, 2, 3)) if min(frame.shape[:2]) < 2 else frame)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="image2pipe") as container:
        stream: Any = container.add_stream("mjpeg", rate=1, options={"qmin": "4", "qmax": "4"})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuvj420p"
        picture = av.VideoFrame.from_ndarray(even[:height, :width].copy(), format="rgb24")
        container.mux(stream.encode(picture.reformat(format="yuvj420p")))
        container.mux(stream.encode(None))
    return _data_uri("image/jpeg", buffer.getvalue())


def at_page_size(clip: Clip, pixels: int, *, least: int = TINY_PIXELS) -> Clip:
    """The clip with its longer side at most ``pixels``; tiny ones are enlarged by whole factors."""
    longer = max(clip.size)
    factor = min(least, pixels) // longer
    if factor >= 2:
        enlarged = clip.frames.repeat(factor, axis=1).repeat(factor, axis=2)
        return Clip(enlarged, clip.fps)
    if longer <= pixels:
        return Clip(clip.pixels, clip.fps)
    scale = pixels / longer
    height, width = (max(2, round(side * scale) // 2 * 2) for side in clip.size)
    return clip.resize(height, width, mode="stretch")


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
