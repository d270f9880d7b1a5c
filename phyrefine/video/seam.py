"""Whether a continuation joins its prefix: counts, repeated frames, a jump in motion."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.video.checks.repeats import repeated_frames
from phyrefine.video.clip import Clip
from phyrefine.video.large.lazy import part
from phyrefine.video.prefix import context

# Work size of the seam check in pixels of the longer side; motion across a seam is coarse.
CHECK_PIXELS = 160
# Frames on either side of the seam whose motion is compared.
_COMPARED = 24
# Motion over the seam from this multiple of the motion around it is a jump.
JUMP_LIMIT = 3.0
# Differences up to this many gray levels are noise or a codec's work.
NOISE_LEVEL = 8.0
# Motion (mean gray levels beyond the noise) below which a scene is still: a speck of it.
STILL_MOTION = 0.1


@frozen
class SeamReport:
    """How a continuation joins its prefix; ``faults`` is empty when it does.

    Attributes:
        frames: Frames delivered.
        expected: Frames asked for.
        repeated: Leading frames of the continuation that repeat frames of the prefix.
        jump: Change of motion across the seam over the motion usual near it; about 1 is smooth.
        faults: What is wrong, in words.
    """

    frames: int
    expected: int
    repeated: int = 0
    jump: float | None = None
    faults: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Nothing wrong."""
        return not self.faults


def check_seam(
    prefix: Clip | None, clip: Clip, *, frames: int, fps: float, size: tuple[int, int] | None = None
) -> SeamReport:
    """Whether a delivered continuation has the asked frames and joins its prefix.

    Args:
        prefix: V0, or ``None`` for text-to-video.
        clip: The delivered continuation; its native frames are compared where kept.
        frames: Frames asked for.
        fps: Rate asked for.
        size: (height, width) asked for; ``None`` accepts any.

    Returns:
        A report whose ``faults`` name a wrong count, rate or size, repeated prefix frames, and a
        jump in motion across the seam.
    """
    faults = []
    if len(clip) != frames:
        faults.append(f"{len(clip)} frames instead of {frames}")
    if abs(clip.fps - fps) > 1e-3:
        faults.append(f"{clip.fps:g} fps instead of {fps:g}")
    if size is not None and clip.size != size:
        faults.append(f"{clip.width}x{clip.height} pixels instead of {size[1]}x{size[0]}")
    if prefix is None:
        return SeamReport(len(clip), frames, faults=tuple(faults))
    repeated, jump = _compare(prefix, clip.as_made)
    if repeated:
        faults.append(f"the first {repeated} frames repeat the prefix")
    if jump is not None and jump > JUMP_LIMIT:
        faults.append(f"motion jumps {jump:.1f}-fold at the seam")
    return SeamReport(len(clip), frames, repeated, jump, tuple(faults))


def count_repeated(prefix: Clip, clip: Clip) -> int:
    """First frames of ``clip`` that repeat frames of ``prefix``, at the clip's own rate.

    For adapters of services that give the prefix back in front: cut this many native frames.
    """
    whole = _gray(context(prefix, fps=clip.fps, size=clip.size))
    return _repeated(prefix, clip, whole, _gray(clip, first=len(whole) + 2))


def _compare(prefix: Clip, clip: Clip) -> tuple[int, float | None]:
    whole = _gray(context(prefix, fps=clip.fps, size=clip.size))
    head = _gray(clip, first=len(whole) + 2)
    repeated = _repeated(prefix, clip, whole, head)
    before, after = whole[-_COMPARED:], head[:_COMPARED]
    inside = _steps(before)
    if len(before) < 2 or len(after) < 2:
        return repeated, None
    across = float(_motion(before[-1:], after[:1])[0])
    near = np.concatenate([inside[-4:], _steps(after)[:4]])
    return repeated, across / max(float(near.max()), STILL_MOTION)


def _repeated(
    prefix: Clip, clip: Clip, whole: NDArray[np.float32], head: NDArray[np.float32]
) -> int:
    """Frames of ``head`` that repeat the prefix, as models get it or counted from its last one."""
    repeated = repeated_frames(whole, head)
    if repeated or abs(prefix.fps - clip.fps) < 1e-3:
        return repeated
    back = np.arange(len(whole)) * (prefix.fps / clip.fps)
    latest = len(prefix) - 1 - np.floor(back + 1e-6).astype(int)[::-1]
    counted = Clip(prefix.take(latest[latest >= 0]), clip.fps)
    if counted.size != clip.size:
        counted = counted.resize(*clip.size)
    given_back = repeated_frames(_gray(counted), head)
    # The last frame lies less than a step before the seam: an honest first frame may look like it.
    return given_back if given_back > 1 else 0


def _steps(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    return _motion(gray[:-1], gray[1:])


def _motion(one: NDArray[np.float32], two: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean difference beyond the noise of each pair of frames, in gray levels."""
    beyond: NDArray[np.float32] = np.maximum(np.abs(two - one) - NOISE_LEVEL, 0)
    moved: NDArray[np.float32] = beyond.mean(axis=(1, 2))
    return moved


def _gray(clip: Clip, *, first: int | None = None) -> NDArray[np.float32]:
    if first is not None and first < len(clip):
        clip = Clip(part(clip.pixels, 0, first), clip.fps)
    longer = max(clip.size)
    if longer > CHECK_PIXELS:
        small = (
            max(1, clip.height * CHECK_PIXELS // longer),
            max(1, clip.width * CHECK_PIXELS // longer),
        )
        clip = clip.resize(*small, mode="stretch")
    gray: NDArray[np.float32] = clip.frames.astype(np.float32).mean(axis=3)
    return gray
