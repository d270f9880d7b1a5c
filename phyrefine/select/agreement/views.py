"""What moves in each clip of a pool, measured once per clip.

All clips of a pool are compared at one size, one rate and one length, with one threshold that is
set from the noise of the prefix and of the clips themselves. The model's own frames are measured,
not the delivered ones: frames held for a higher rate look like stutter.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.types import Scenario
from phyrefine.video.clip import Clip
from phyrefine.video.frames import resample_indices
from phyrefine.video.masks import MaskTrack, motion_masks, noise_level, threshold_for
from phyrefine.video.recent import Recent
from phyrefine.video.thumbnails import Thumbnails, small_size, thumbnails

# A clip in which less than this share of the picture ever moves stands still.
STILL_SHARE = 0.0008


@frozen(eq=False)
class MotionView:
    """One clip as the measures of motion see it.

    Attributes:
        digest: Of the clip; equal clips have equal digests.
        threshold: Gray levels from which a pixel counted as moving.
        gray: float32 [T, h, w], 0..255.
        track: Motion masks of ``gray``.
        amount: Mean distance of a pixel from its own median over time, in gray levels.
        still: Hardly a pixel ever moves, whatever the noise.
    """

    digest: str
    threshold: float
    gray: NDArray[np.float32]
    track: MaskTrack
    amount: float
    still: bool


_remembered: Recent[MotionView] = Recent(128)


@frozen(eq=False)
class PoolView:
    """All clips of a pool, alike in size, rate and length.

    Attributes:
        views: One per clip, in order.
        fps: Their common rate.
        threshold: Gray levels from which a pixel counts as moving.
        noise: Standard deviation of a still pixel, in gray levels.
        prefix_amount: ``amount`` of the prefix; ``None`` with fewer than two frames of it.
        prefix_still: The prefix is known to stand still.
    """

    views: tuple[MotionView, ...]
    fps: float
    threshold: float
    noise: float
    prefix_amount: float | None
    prefix_still: bool


def look(scenario: Scenario, clips: Sequence[Clip]) -> PoolView:
    """Measure the clips of a pool; small videos and masks are remembered by digest.

    Args:
        scenario: Its prefix tells the noise.
        clips: At least one.
    """
    made = [clip.as_made for clip in clips]
    size = common_size([clip.size for clip in made])
    small = [(clip.digest, thumbnails(clip, size)) for clip in made]
    return look_at(small, _prefix(scenario, size))


def common_size(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The smallest (height, width) of the small videos of clips of these sizes."""
    return min((small_size(size) for size in sizes), key=lambda size: size[0] * size[1])


def look_at(clips: Sequence[tuple[str, Thumbnails]], prefix: Thumbnails | None) -> PoolView:
    """Measure small videos that are at hand.

    Args:
        clips: Digest and small video of each clip, all of one size.
        prefix: Of the same size; ``None`` with fewer than two frames of it.
    """
    fps = min(small.fps for _, small in clips)
    seconds = min(len(small.gray) / small.fps for _, small in clips)
    count = max(1, round(seconds * fps))
    noise = _noise(clips, prefix)
    threshold = threshold_for(noise)
    views = tuple(_view(digest, small, fps, count, threshold) for digest, small in clips)
    before = _masked(prefix.gray, threshold) if prefix is not None else None
    return PoolView(
        views, fps, threshold, noise,
        None if prefix is None else motion_amount(prefix.gray),
        before is not None and before.moving_share < STILL_SHARE,
    )  # fmt: skip


def motion_amount(gray: NDArray[np.float32]) -> float:
    """Mean distance of a pixel from its own median over time, in gray levels."""
    return float(np.abs(gray - np.median(gray, axis=0)).mean())


def _prefix(scenario: Scenario, size: tuple[int, int]) -> Thumbnails | None:
    if scenario.prefix is None or len(scenario.prefix) < 2:
        return None
    return thumbnails(scenario.prefix, size)


_levels: Recent[float] = Recent(256)


def _noise(clips: Sequence[tuple[str, Thumbnails]], prefix: Thumbnails | None) -> float:
    """The prefix's noise, or the clips' own where generated frames are noisier."""
    levels = [
        _levels.get((digest, small.gray.shape), functools.partial(noise_level, small.gray))
        for digest, small in clips
    ]
    made = float(np.median(levels))
    return made if prefix is None else max(made, noise_level(prefix.gray))


def _view(digest: str, small: Thumbnails, fps: float, count: int, threshold: float) -> MotionView:
    gray = small.gray
    if small.fps != fps or len(gray) != count:
        gray = gray[resample_indices(len(gray), small.fps, fps, count)]

    def measure() -> MotionView:
        track = _masked(gray, threshold)
        still = track.moving_share < STILL_SHARE
        return MotionView(digest, threshold, gray, track, motion_amount(gray), still)

    return _remembered.get((digest, gray.shape, fps, threshold), measure)


def _masked(gray: NDArray[np.float32], threshold: float) -> MaskTrack:
    return MaskTrack.of(motion_masks(gray, threshold))
