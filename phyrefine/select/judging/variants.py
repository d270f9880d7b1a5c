"""Spoiled variants of a clip, which a judge of physics must like less than the clip itself.

Each breaks one thing that can be seen without knowing what the clip shows: motion stops, frames
lose their order, time runs backward, a thing appears twice, a stretch of time is missing.
"""

from __future__ import annotations

import itertools

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.errors import InvalidInputError
from phyrefine.video.clip import Clip
from phyrefine.video.frames import resize
from phyrefine.video.motion import GRID, MOVING_LEVEL, SMALLEST_BLOB, is_still

UInt8Array = NDArray[np.uint8]
Mask = NDArray[np.bool_]

KINDS = ("frozen", "shuffled", "reversed", "duplicated", "cut")
FEWEST_FRAMES = 6
# Motion that has died down to less than this share tells which way time runs.
DIED_DOWN = 0.5
# With more of the picture moving, as under a moving camera, no single thing can be cut out.
MOST_MOVING = 0.4
# A frame whose moving part is at least this share of the largest one shows the whole thing.
WHOLE = 0.5
# So much of all motion must fall into the part that is cut out.
LEAST_MISSED = 0.1
# At least so much of the copy must lie inside the picture, and off the original.
LEAST_SEEN = 0.5


@frozen
class Variant:
    """One spoiled variant.

    Attributes:
        kind: One of ``KINDS``.
        clip: The variant; ``None`` where it would be no fault, or cannot be made.
        note: Why there is none.
    """

    kind: str
    clip: Clip | None
    note: str = ""


def variants(clip: Clip, *, irreversible: bool | None = None, seed: int = 0) -> tuple[Variant, ...]:
    """Every kind of variant of a clip, in the order of ``KINDS``.

    Args:
        clip: Something must move in it; its native frames are used where it keeps them.
        irreversible: Whether it would be impossible backward. ``None`` looks: motion that dies
            down cannot begin by itself, so a clip that comes to rest counts.
        seed: Of the shuffled order.

    Raises:
        InvalidInputError: Too few frames, or nothing moves: every variant would be as good.
    """
    clip = clip.as_made
    if len(clip) < FEWEST_FRAMES:
        raise InvalidInputError(
            f"A judge is tested on a clip of {FEWEST_FRAMES} frames or more, not {len(clip)}."
        )
    if is_still(clip):
        raise InvalidInputError(
            "Nothing moves in this clip, so that it would look the same frozen, shuffled and "
            "backward. Test the judge on a clip with motion."
        )
    backward = irreversible if irreversible is not None else dies_down(clip)
    return (
        Variant("frozen", _of(clip, np.zeros(len(clip), int))),
        Variant("shuffled", _of(clip, _shuffled(len(clip), seed))),
        Variant("reversed", _of(clip, np.arange(len(clip))[::-1]))
        if backward
        else Variant("reversed", None, "the motion may be possible backward too"),
        _duplicated(clip),
        _cut(clip),
    )


def dies_down(clip: Clip) -> bool:
    """Whether much less moves in the last quarter of a clip than in its first."""
    gray = _small_gray(clip)
    steps = np.abs(np.diff(gray, axis=0)).mean(axis=(1, 2))
    quarter = max(1, len(steps) // 4)
    first, last = float(steps[:quarter].mean()), float(steps[-quarter:].mean())
    return last < DIED_DOWN * first


def _of(clip: Clip, order: NDArray[np.int_]) -> Clip:
    return Clip(clip.frames[order], clip.fps, source=clip.source)


def _shuffled(count: int, seed: int) -> NDArray[np.int_]:
    """An order in which few frames keep a neighbor."""
    random = np.random.default_rng(seed)
    best, fewest = np.arange(count), count
    for _ in range(16):
        order = random.permutation(count)
        kept = int((np.abs(np.diff(order)) == 1).sum())
        if kept < fewest:
            best, fewest = order, kept
    return best


def _cut(clip: Clip) -> Variant:
    """The middle third is missing, where enough happens in it for a jump to be seen."""
    count, third = len(clip), len(clip) // 3
    gray = _small_gray(clip)
    steps = np.abs(np.diff(gray, axis=0)).mean(axis=(1, 2))
    jump = float(np.abs(gray[count - third] - gray[third - 1]).mean())
    missing = float(steps[third - 1 : count - third].sum())
    if missing < LEAST_MISSED * float(steps.sum()) or jump < float(steps.mean()):
        return Variant("cut", None, "too little happens in the middle for a jump to be seen")
    return Variant("cut", _of(clip, np.r_[:third, count - third : count]))


# -- one thing twice ---------------------------------------------------------------------------


def _duplicated(clip: Clip) -> Variant:
    """What moves is there a second time, from the middle of the clip on.

    Where it rests it cannot be told from the background: then its copy stays where it was last.
    """
    moving = _moving(clip)
    ever: Mask = np.any(moving, axis=0)
    if moving.mean(axis=(1, 2)).max() > MOST_MOVING:
        return Variant("duplicated", None, "too much of the picture moves to cut one thing out")
    shift = _free_shift(ever)
    if shift is None:
        return Variant("duplicated", None, "there is no free place for a second one")
    frames = clip.frames.copy()
    down, right = round(shift[0] * clip.height), round(shift[1] * clip.width)
    sizes = moving.sum(axis=(1, 2))
    patch = None
    for index in range(len(clip)):
        if patch is None or sizes[index] >= WHOLE * sizes.max():
            patch = _patch(clip, moving[index], index, down, right)
        if index >= len(clip) // 2:
            (y, x), pixels = patch
            frames[index, y, x] = pixels
    made = Clip(frames, clip.fps, source=clip.source)
    if not _seen(clip, made):
        return Variant("duplicated", None, "nothing stands out enough for a second one to be seen")
    return Variant("duplicated", made)


def _patch(
    clip: Clip, mask: Mask, index: int, down: int, right: int
) -> tuple[tuple[NDArray[np.int_], NDArray[np.int_]], UInt8Array]:
    """Where the moved pixels of a frame go, as far as inside the picture, and the pixels."""
    rows, columns = (np.arange(full) * part // full for full, part in zip(
        clip.size, mask.shape, strict=True))  # fmt: skip
    y, x = np.nonzero(mask[np.ix_(rows, columns)])
    inside = (y + down >= 0) & (y + down < clip.height)
    inside &= (x + right >= 0) & (x + right < clip.width)
    y, x = y[inside], x[inside]
    pixels: UInt8Array = clip.frames[index, y, x]
    return (y + down, x + right), pixels


def _seen(clip: Clip, made: Clip) -> bool:
    """Whether the copy stands out, in the frames that have it."""
    half = len(clip) // 2
    before, after = _small_gray(clip)[half:], _small_gray(made)[half:]
    off = np.abs(before - after) > MOVING_LEVEL
    return bool(off.mean(axis=(1, 2)).min() >= SMALLEST_BLOB)


def _moving(clip: Clip) -> Mask:
    """Pixels of a small picture, [T, h, w], off the still background, and their neighbors."""
    gray = _small_gray(clip)
    away = np.abs(gray - np.median(gray, axis=0)) > MOVING_LEVEL
    wide = away.copy()
    for axis, step in itertools.product((1, 2), (-1, 1)):
        wide |= _moved(away, axis, step)
    return wide


def _moved(mask: Mask, axis: int, step: int) -> Mask:
    moved = np.roll(mask, step, axis=axis)
    edge = [slice(None)] * mask.ndim
    edge[axis] = slice(0, step) if step > 0 else slice(step, None)
    moved[tuple(edge)] = False
    return moved


def _free_shift(ever: Mask) -> tuple[float, float] | None:
    """(down, right) as shares of height and width, to where most of the copy is seen and alone."""
    total = int(ever.sum())
    if total == 0:
        return None
    best, most = None, LEAST_SEEN * total
    for down, right in itertools.product((0.0, -0.35, 0.35, -0.2, 0.2), repeat=2):
        if not down and not right:
            continue
        copy = ever
        for axis, share in ((0, down), (1, right)):
            step = round(share * ever.shape[axis])
            copy = _moved(copy, axis, step) if step else copy
        seen = int((copy & ~ever).sum())
        if seen > most:
            best, most = (down, right), seen
    return best


def _small_gray(clip: Clip) -> NDArray[np.float32]:
    """float32 [T, h, w], the longer side at most ``GRID``."""
    longer = max(clip.size)
    frames: UInt8Array = clip.frames
    if longer > GRID:
        height, width = (max(1, side * GRID // longer) for side in clip.size)
        frames = resize(frames, height, width, mode="stretch")
    gray: NDArray[np.float32] = frames.astype(np.float32).mean(axis=3)
    return gray
