"""Things that move in a clip, followed from frame to frame.

Parts that always touch move as one thing (common fate); thin parts such as strings are left out,
so that a pendulum is followed at its bob. Coordinates are pixels of the measured picture: ``x``
to the right, ``up`` from its lower border.

Shapes: T frames, H, W height and width, N pixels, K colours.
"""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.world.eye.measuring.background import Background, find_background, strongest
from phyrefine.world.eye.measuring.regions import label_stack, shrink, spread

FloatArray = NDArray[np.float64]
UInt8Array = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]

_MOST_COLOURS = 4
# Distance in RGB (0..255) from which two surfaces are told apart.
_COLOUR_RADIUS = 60.0
# Share of frames in which two coloured parts must touch to be one thing.
_COMMON_FATE = 0.9
_LEAST_PIXELS = 4
# A part thinner than the thing by this factor is a string or a rod.
_THINNER = 3
_MOST_BLOBS = 12
# Seconds an unseen thing is still looked for.
_PATIENCE = 0.35


@frozen(eq=False)
class Track:
    """One thing over time; NaN where it is not seen.

    Attributes:
        x: float [T], centre.
        up: float [T], centre.
        area: float [T], pixels, soft edges counted in part.
        bottom: float [T], lower edge.
        wide: float [T], standard deviation of its pixels along x.
        tall: float [T], and along up.
        colour: float [T, 3], mean RGB.
        rim: bool [T], whether it touches the picture's border.
    """

    x: FloatArray
    up: FloatArray
    area: FloatArray
    bottom: FloatArray
    wide: FloatArray
    tall: FloatArray
    colour: FloatArray
    rim: BoolArray

    @property
    def seen(self) -> BoolArray:
        """Frames that show it, bool [T]."""
        return np.isfinite(self.x)

    @property
    def first(self) -> int:
        """First frame with the thing."""
        return int(np.argmax(self.seen))

    @property
    def last(self) -> int:
        """Last frame with the thing."""
        return len(self.x) - 1 - int(np.argmax(self.seen[::-1]))

    @property
    def radius(self) -> float:
        """Of a disc of the usual area, pixels."""
        return float(np.sqrt(np.nanmedian(self.area) / np.pi))

    @property
    def travel(self) -> float:
        """Diagonal of the box that its centre stays in, pixels."""
        return float(np.hypot(np.nanmax(self.x) - np.nanmin(self.x), _span(self.up)))


def _span(values: FloatArray) -> float:
    return float(np.nanmax(values) - np.nanmin(values))


@frozen(eq=False)
class Sight:
    """What is seen in a clip.

    Attributes:
        times: float [T], seconds.
        size: (height, width) of the measured picture.
        background: What stands still.
        tracks: What moves, most noticeable first.
        thumbs: float32 [T, H/4, W/4], grey levels of the picture in coarse cells.
    """

    times: FloatArray
    size: tuple[int, int]
    background: Background
    tracks: tuple[Track, ...]
    thumbs: NDArray[np.float32]


def look(frames: UInt8Array, fps: float, *, sensitivity: float = 1.0) -> Sight:
    """Find and follow what moves.

    Args:
        frames: uint8 [T, H, W, 3] of a camera that does not move.
        fps: Frames per second.
        sensitivity: Above 1 sees fainter things and more noise.
    """
    background = find_background(frames, sensitivity=sensitivity)
    parted = background.difference(frames)
    mask = strongest(parted) > background.contrast
    mask = _without_thin_parts(mask)
    times = np.arange(len(frames)) / fps
    size = (frames.shape[1], frames.shape[2])
    if mask.sum() < _LEAST_PIXELS:
        return Sight(times, size, background, (), _thumbs(frames))
    labels, weights, count = _things(mask, parted, background)
    blobs = _measure(labels, weights, count, parted + background.image)
    tracks = _follow(blobs, len(frames), size, fps)
    return Sight(times, size, background, _noticeable(tracks, fps), _thumbs(frames))


def _thumbs(frames: UInt8Array) -> NDArray[np.float32]:
    height, width = frames.shape[1:3]
    cell = 4 if min(height, width) >= 8 else 1
    rows, columns = height // cell, width // cell
    thumbs = np.empty((len(frames), rows, columns), np.float32)
    for frame, thumb in zip(frames, thumbs, strict=True):
        red, green, blue = (frame[..., channel].astype(float) for channel in range(3))
        cut = ((red + green + blue) / 3.0)[: rows * cell, : columns * cell]
        thumb[:] = cut.reshape(rows, cell, columns, cell).mean(axis=(1, 3))
    return thumbs


def _without_thin_parts(mask: BoolArray) -> BoolArray:
    """The mask without strings and rods: parts much thinner than the thing they belong to."""
    opened = _opened(mask, 1)
    # When nearly everything is thin, the things themselves are: keep them.
    if opened.sum() < 0.4 * mask.sum():
        return mask
    kept = spread(opened) & mask
    labels, count = label_stack(kept.astype(np.int32))
    depth = _depth(kept)
    deepest = np.zeros(count + 1, np.int32)
    np.maximum.at(deepest, labels[kept], depth[kept])
    # A disc of radius r is about r / sqrt(2) deep, since squares are stripped from it.
    thickness = ((deepest + 1) // _THINNER)[labels]
    for radius in range(2, int(thickness.max(initial=0)) + 1):
        big = thickness == radius
        kept &= ~big | spread(_opened(big, radius))
    return kept


def _depth(mask: BoolArray) -> NDArray[np.int32]:
    """How many times a pixel survives shrinking, int32 [T, H, W]."""
    depth = np.zeros(mask.shape, np.int32)
    while mask.any():
        depth += mask
        mask = shrink(mask)
    return depth


def _opened(mask: BoolArray, radius: int) -> BoolArray:
    """What a square of ``2 radius + 1`` pixels can cover inside the mask."""
    opened = mask
    for _ in range(radius):
        opened = shrink(opened)
    for _ in range(radius):
        opened = spread(opened)
    return opened & mask


# -- colours -----------------------------------------------------------------------------------


def _palette(colours: FloatArray) -> FloatArray:
    """Main colours [K, 3] of [N, 3] pixels, most frequent first."""
    left = colours[:: max(1, len(colours) // 4000)]
    least = max(4.0, 0.06 * len(left))
    found: list[FloatArray] = []
    while len(left) >= least and len(found) < _MOST_COLOURS:
        # A motion parted from its background can lie a little outside the range of pixels.
        cells = (np.clip(left, 0, 255) // 32).astype(int) @ np.array([64, 8, 1])
        mode = np.bincount(cells).argmax()
        centre = np.median(left[cells == mode], axis=0)
        near = np.linalg.norm(left - centre, axis=1) < _COLOUR_RADIUS
        if near.sum() >= least or not found:
            found.append(np.median(left[near], axis=0))
        left = left[~near]
        if not near.any():
            break
    return np.array(found)


def _classes(
    mask: BoolArray, parted: NDArray[np.float32], background: Background
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Colour class (1..K) and opacity in [0, 1] of every pixel of the mask, by matting."""
    core = shrink(mask)
    where = core if core.sum() >= 0.2 * mask.sum() else mask
    behind = np.broadcast_to(background.image, parted.shape)
    palette = _palette((parted[where] + behind[where]).astype(float))
    pixels, wall = parted[mask], behind[mask]
    towards = palette[:, None] - wall
    length = np.maximum((towards**2).sum(axis=2), 1.0)
    opacity = np.clip((towards * pixels).sum(axis=2) / length, 0.0, 1.0)
    misfit = ((pixels - opacity[..., None] * towards) ** 2).sum(axis=2)
    best = misfit.argmin(axis=0)
    classes = np.zeros(mask.shape, np.int32)
    weights = np.zeros(mask.shape, np.float32)
    classes[mask] = best + 1
    weights[mask] = opacity[best, np.arange(len(best))]
    return classes, weights


def _things(
    mask: BoolArray, parted: NDArray[np.float32], background: Background
) -> tuple[NDArray[np.int32], NDArray[np.float32], int]:
    classes, weights = _classes(mask, parted, background)
    count = int(classes.max())
    merged = np.arange(count + 1)
    for first in range(1, count + 1):
        for second in range(first + 1, count + 1):
            if merged[first] != merged[second] and _touch(classes == first, classes == second):
                merged[merged == merged[second]] = merged[first]
    # Two parts of one thing are opaque where either is.
    labels, regions = label_stack(merged[classes].astype(np.int32))
    return labels, weights, regions


def _touch(first: BoolArray, second: BoolArray) -> bool:
    """Whether two classes share an edge in nearly all frames that show both."""
    both = first.any(axis=(1, 2)) & second.any(axis=(1, 2))
    if both.sum() < 3:
        return bool(both.any())
    meet = (spread(first[both]) & second[both]).any(axis=(1, 2))
    return bool(meet.mean() >= _COMMON_FATE)


# -- blobs -------------------------------------------------------------------------------------


@frozen(eq=False)
class _Blobs:
    frame: NDArray[np.int64]
    numbers: FloatArray  # [N, 10]: x, up, area, bottom, wide, tall, R, G, B, rim


def _measure(
    labels: NDArray[np.int32],
    weights: NDArray[np.float32],
    count: int,
    colours: NDArray[np.float32],
) -> _Blobs:
    frame, row, column = np.nonzero(labels)
    number = labels[frame, row, column]
    weight = weights[frame, row, column].astype(float)
    height, width = labels.shape[1:]
    up, x = height - row - 0.5, column + 0.5

    def total(values: FloatArray) -> FloatArray:
        return np.bincount(number, values, minlength=count + 1)[1:].astype(float)

    area = np.maximum(total(weight), 1e-6)
    middle_x, middle_up = total(weight * x) / area, total(weight * up) / area
    wide = np.sqrt(np.maximum(total(weight * x**2) / area - middle_x**2, 0.0))
    tall = np.sqrt(np.maximum(total(weight * up**2) / area - middle_up**2, 0.0))
    painted = colours[frame, row, column].astype(float)
    colour = [total(weight * painted[:, channel]) / area for channel in range(3)]
    bottom = np.full(count + 1, np.inf)
    solid = weight > 0.5
    np.minimum.at(bottom, number[solid], up[solid] - 0.5)
    rim = (row == 0) | (column == 0) | (row == height - 1) | (column == width - 1)
    owner = np.zeros(count + 1, np.int64)
    owner[number] = frame
    numbers = np.stack(
        [middle_x, middle_up, area, bottom[1:], wide, tall, *colour, total(rim.astype(float))],
        axis=1,
    )
    kept = (area >= _LEAST_PIXELS * 0.6) & np.isfinite(bottom[1:])
    return _Blobs(owner[1:][kept], numbers[kept])


# -- tracks ------------------------------------------------------------------------------------


def _follow(blobs: _Blobs, count: int, size: tuple[int, int], fps: float) -> list[FloatArray]:
    """Link blobs over time: each track is float [T, 10], NaN where unseen."""
    tracks: list[FloatArray] = []
    ends: list[int] = []
    reach = 0.12 * float(np.hypot(*size))
    patience = max(1, round(_PATIENCE * fps))
    for frame in range(count):
        rows = blobs.numbers[blobs.frame == frame]
        rows = rows[np.argsort(-rows[:, 2])][:_MOST_BLOBS]
        free = set(range(len(rows)))
        for _, track, row in _pairs(tracks, ends, rows, frame, reach, patience):
            if row in free and ends[track] < frame:
                tracks[track][frame] = rows[row]
                ends[track] = frame
                free.discard(row)
        for row in sorted(free):
            fresh = np.full((count, rows.shape[1]), np.nan)
            fresh[frame] = rows[row]
            tracks.append(fresh)
            ends.append(frame)
    return tracks


def _pairs(
    tracks: list[FloatArray],
    ends: list[int],
    rows: FloatArray,
    frame: int,
    reach: float,
    patience: int,
) -> list[tuple[float, int, int]]:
    """Possible links, most likely first."""
    found = []
    for index, track in enumerate(tracks):
        gap = frame - ends[index]
        if gap > patience or not len(rows):
            continue
        last = track[ends[index]]
        before = track[max(0, ends[index] - 1)]
        step = last[:2] - before[:2] if np.isfinite(before[0]) else np.zeros(2)
        away = np.hypot(*(rows[:, :2] - last[:2] - gap * step).T)
        # A bounce turns the step round, so staying put is as likely as going on.
        away = np.minimum(away, np.hypot(*(rows[:, :2] - last[:2]).T))
        limit = reach + 1.2 * gap * float(np.hypot(*step))
        tint = np.linalg.norm(rows[:, 6:9] - last[6:9], axis=1)
        grown = np.abs(np.log(rows[:, 2] / last[2]))
        cost = away + 0.1 * reach * grown + reach * tint / (2 * _COLOUR_RADIUS)
        close = (away < limit) & (tint < 1.5 * _COLOUR_RADIUS)
        found += [(float(cost[row]), index, int(row)) for row in np.flatnonzero(close)]
    return sorted(found)


def _noticeable(tracks: list[FloatArray], fps: float) -> tuple[Track, ...]:
    least = max(3, round(0.2 * fps))
    long = [track for track in tracks if np.isfinite(track[:, 0]).sum() >= least]
    long.sort(key=lambda track: -float(np.nansum(track[:, 2])))
    return tuple(
        Track(
            x=track[:, 0],
            up=track[:, 1],
            area=track[:, 2],
            bottom=track[:, 3],
            wide=track[:, 4],
            tall=track[:, 5],
            colour=track[:, 6:9],
            rim=np.nan_to_num(track[:, 9]) > 0,
        )
        for track in long
    )
