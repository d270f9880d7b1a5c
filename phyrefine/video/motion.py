"""Coarse motion from pixels: whether anything moves, and how things move at the seam."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.video.clip import Clip

# Work size in pixels of the longer side: enough to see where a ball is.
GRID = 96
# Gray levels by which a pixel must differ from the still background to count as moving.
MOVING_LEVEL = 14.0
# Blobs under this share of the picture are noise.
SMALLEST_BLOB = 0.0008
# A clip in which less than this share of the picture ever moves is still.
STILL_SHARE = 0.0008
# Speeds are measured over this last part of a prefix, in seconds.
SEAM_SECONDS = 0.4
# From this many points on a parabola is fitted.
PARABOLA_POINTS = 6
# Slower than this (picture widths per second) is at rest.
REST_SPEED = 0.02


@frozen
class Motion:
    """How one thing moves when the prefix ends.

    Attributes:
        x: Center, 0 (left) to 1 (right).
        y: Center, 0 (top) to 1 (bottom).
        vx: Picture widths per second, positive to the right.
        vy: Picture widths per second, positive downward.
    """

    x: float
    y: float
    vx: float
    vy: float

    def place(self) -> str:
        """Where it is, such as ``at the lower left``."""
        column = "left" if self.x < 1 / 3 else "right" if self.x > 2 / 3 else "middle"
        row = "upper" if self.y < 1 / 3 else "lower" if self.y > 2 / 3 else "middle"
        return "in the middle of the picture" if row == column else f"at the {row} {column}"

    def going(self) -> str:
        """Direction and speed, such as ``moving left at about 0.30 picture widths per second``."""
        speed = float(np.hypot(self.vx, self.vy))
        if speed < REST_SPEED:
            return "at rest"
        way = _direction(self.vx, self.vy)
        return f"moving {way} at about {speed:.2f} picture widths per second"

    def in_words(self) -> str:
        """One sentence: place, direction and speed."""
        return f"The object {self.place()} is {self.going()}."


def _direction(vx: float, vy: float) -> str:
    names = ("right", "down and right", "down", "down and left",
             "left", "up and left", "up", "up and right")  # fmt: skip
    return names[round(np.degrees(np.arctan2(vy, vx)) / 45) % 8]


def _gray(clip: Clip) -> NDArray[np.float32]:
    longer = max(clip.size)
    if longer > GRID:
        small = max(1, clip.height * GRID // longer), max(1, clip.width * GRID // longer)
        clip = clip.resize(*small, mode="stretch")
    gray: NDArray[np.float32] = clip.frames.astype(np.float32).mean(axis=3)
    return gray


def is_still(clip: Clip) -> bool:
    """Whether hardly a pixel ever leaves its place: a frozen video, whatever its noise."""
    if len(clip) < 2:
        return True
    gray = _gray(clip)
    # Averaging short runs takes the noise out that a comparison of single frames would keep.
    runs = np.array_split(gray, min(8, len(gray)))
    means = np.stack([run.mean(axis=0) for run in runs])
    moved = np.ptp(means, axis=0) > MOVING_LEVEL
    return bool(moved.mean() < STILL_SHARE)


def seam_motion(prefix: Clip, *, most: int = 4) -> tuple[Motion, ...]:
    """The moving things of a prefix as they are at its end, the largest first.

    A blob is what differs from the prefix's median picture; its speed is that of a parabola
    fitted through its center over the last 0.4 s, near its end.

    Args:
        prefix: V0; fewer than three frames hold no motion.
        most: Things to name at the most.
    """
    if len(prefix) < 3:
        return ()
    gray = _gray(prefix)
    background = np.median(gray, axis=0)
    away = np.abs(gray - background)
    count = max(3, min(len(gray), round(SEAM_SECONDS * prefix.fps) + 1))
    found = [_blobs(picture > MOVING_LEVEL, picture) for picture in away[-count:]]
    motions = []
    for area, row, column in found[-1][:most]:
        track = _follow(found, row, column, reach=3.0 + float(np.sqrt(area)))
        if len(track) >= 3:
            motions.append(_fit(track, prefix.fps, (gray.shape[1], gray.shape[2])))
    return tuple(motions)


def _follow(
    found: list[list[tuple[int, float, float]]], row: float, column: float, *, reach: float
) -> list[tuple[int, float, float]]:
    """Centers of one blob, from the last frame back, while it stays within reach."""
    track = [(len(found) - 1, row, column)]
    for index in range(len(found) - 2, -1, -1):
        near = [
            (float(np.hypot(r - row, c - column)), r, c)
            for _, r, c in found[index]
            if np.hypot(r - row, c - column) <= reach
        ]
        if not near:
            break
        _, row, column = min(near)
        track.append((index, row, column))
    return track


def _fit(track: list[tuple[int, float, float]], fps: float, size: tuple[int, int]) -> Motion:
    at, rows, columns = (np.asarray(axis, float) for axis in zip(*track, strict=True))
    slope_y, slope_x = _speed(at, rows), _speed(at, columns)
    height, width = size
    return Motion(
        x=float(columns[0]) / width,
        y=float(rows[0]) / height,
        vx=float(slope_x) * fps / width,
        vy=float(slope_y) * fps / width,
    )


def _speed(at: NDArray[np.float64], place: NDArray[np.float64]) -> float:
    """Places per frame near the end: a parabola's slope, so that gravity is no lag.

    The slope is taken a quarter of the window before its last frame, where noise does far less
    than at the very end. With few points a parabola would follow their noise: then a straight
    line is fitted.
    """
    if len(at) < PARABOLA_POINTS:
        return float(np.polyfit(at, place, 1)[0])
    since = at - at[0]  # the last frame comes first
    curve, slope, _ = np.polyfit(since, place, 2)
    return float(slope + 2 * curve * since[-1] / 4)


def _blobs(mask: NDArray[np.bool_], weight: NDArray[np.float32]) -> list[tuple[int, float, float]]:
    """(area, row, column) of 8-connected regions above the noise, the largest first.

    Centers are weighted by how much a pixel differs, which is finer than a pixel.
    """
    left = mask.copy()
    smallest = max(2, round(SMALLEST_BLOB * mask.size))
    blobs = []
    for start in zip(*np.nonzero(mask), strict=True):
        if not left[start]:
            continue
        pixels = _flood(left, (int(start[0]), int(start[1])))
        if len(pixels) >= smallest:
            rows, columns = np.transpose(pixels)
            row, column = np.average(pixels, axis=0, weights=weight[rows, columns])
            blobs.append((len(pixels), float(row), float(column)))
    return sorted(blobs, reverse=True)


def _flood(left: NDArray[np.bool_], start: tuple[int, int]) -> list[tuple[int, int]]:
    left[start] = False
    queue, pixels = [start], []
    while queue:
        row, column = queue.pop()
        pixels.append((row, column))
        for r in range(max(0, row - 1), min(left.shape[0], row + 2)):
            for c in range(max(0, column - 1), min(left.shape[1], column + 2)):
                if left[r, c]:
                    left[r, c] = False
                    queue.append((r, c))
    return pixels
