"""Trajectories to pixels: antialiased shapes by signed distance, at any size, from 3 cameras."""

from __future__ import annotations

from typing import Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from phyrefine.errors import InvalidInputError
from phyrefine.world.truth.physics.trajectory import (
    FRAME_HEIGHT,
    FRAME_WIDTH,
    Body,
    FloatArray,
    Trajectory,
)

Camera = Literal["left", "center", "right"]
CAMERAS: tuple[Camera, ...] = ("left", "center", "right")

Frames = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@attrs.frozen
class View:
    """An affine camera: world coordinates are sheared, scaled and shifted (world units)."""

    shift: tuple[float, float]
    scale: float
    shear: float


VIEWS: dict[Camera, View] = {
    "left": View(shift=(0.10, 0.03), scale=0.95, shear=0.05),
    "center": View(shift=(0.0, 0.0), scale=1.0, shear=0.0),
    "right": View(shift=(-0.10, 0.0), scale=0.97, shear=-0.05),
}


def _pixel_grid(size: tuple[int, int], camera: Camera) -> tuple[FloatArray, float]:
    """World coordinates ``[H, W, 2]`` of the pixel centres, and world units per pixel."""
    width, height = size
    if width < 8 or height < 8:
        raise InvalidInputError(f"Cannot render at {width}x{height}: use at least 8x8 pixels.")
    view = VIEWS[camera]
    unit = max(FRAME_WIDTH / width, FRAME_HEIGHT / height)
    x, y = np.meshgrid(
        (np.arange(width) + 0.5 - width / 2) * unit,
        (height / 2 - np.arange(height) - 0.5) * unit,
    )
    middle = FRAME_HEIGHT / 2
    up = (y - view.shift[1]) / view.scale
    along = (x - view.shift[0]) / view.scale - view.shear * up
    return np.stack([along, up + middle], axis=-1), unit / view.scale


def _distance(body: Body, frame: int, grid: FloatArray) -> FloatArray:
    """Signed distance in world units from each point of ``grid`` to the body's edge."""
    offset = grid - body.centre[frame]
    if body.shape == "disc":
        distance: FloatArray = np.hypot(offset[..., 0], offset[..., 1])
        return distance - float(body.extent[frame, 0])
    cosine, sine = np.cos(body.angle[frame]), np.sin(body.angle[frame])
    along = np.abs(offset[..., 0] * cosine + offset[..., 1] * sine)
    across = np.abs(offset[..., 1] * cosine - offset[..., 0] * sine)
    dx, dy = along - body.extent[frame, 0], across - body.extent[frame, 1]
    outside = np.hypot(np.maximum(dx, 0.0), np.maximum(dy, 0.0))
    return np.asarray(outside + np.minimum(np.maximum(dx, dy), 0.0))


def _coverage(body: Body, frame: int, grid: FloatArray, unit: float) -> FloatArray:
    """Share of each pixel that the body covers, in [0, 1]."""
    if body.softness > 0.0:
        offset = grid - body.centre[frame]
        spread = float(body.extent[frame, 0])
        blur = np.exp(-(offset**2).sum(axis=-1) / (2.0 * spread**2))
        return np.asarray(blur * body.opacity[frame])
    cover = np.clip(0.5 - _distance(body, frame, grid) / unit, 0.0, 1.0)
    return np.asarray(cover * body.opacity[frame])


def _shade(body: Body, frame: int, grid: FloatArray) -> FloatArray:
    """Colour of the body at each point: flat, or with a bar that shows a disc's turning."""
    colour: FloatArray = body.colour[frame]
    if not body.marked:
        return colour
    offset = grid - body.centre[frame]
    angle = float(body.angle[frame])
    across = np.abs(offset[..., 1] * np.cos(angle) - offset[..., 0] * np.sin(angle))
    bar = (across < 0.28 * body.extent[frame, 0])[..., None]
    return np.asarray(np.where(bar, 0.45 * colour + 0.5, colour))


def _window(body: Body, frame: int, grid: FloatArray, unit: float) -> tuple[slice, slice]:
    """Rows and columns of the pixels that the body can touch."""
    reach = float(np.hypot(*body.extent[frame])) * (3.5 if body.softness > 0.0 else 1.0)
    near = np.abs(grid - body.centre[frame]) <= reach + 2 * unit
    rows = np.flatnonzero(near[..., 1].any(axis=1))
    columns = np.flatnonzero((near[..., 0] & near[..., 1]).any(axis=0))
    if not len(rows) or not len(columns):
        return slice(0, 0), slice(0, 0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _backdrop(trajectory: Trajectory, grid: FloatArray) -> FloatArray:
    """A wall, a little brighter at the top, tinted per scene."""
    rng = np.random.default_rng([trajectory.scene.seed, 77])
    tint = 0.80 + rng.uniform(-0.06, 0.06, size=3)
    light = 1.0 + 0.05 * (grid[..., 1:] - FRAME_HEIGHT / 2)
    return np.asarray(np.clip(tint * light, 0.0, 1.0))


def render(
    trajectory: Trajectory,
    size: tuple[int, int],
    camera: Camera = "center",
    *,
    noise: float = 1.5,
) -> Frames:
    """Draw a trajectory.

    Args:
        trajectory: The simulated scene (``T`` samples).
        size: Width and height in pixels, at least 8 each; the whole world stays in view.
        camera: One of ``CAMERAS``.
        noise: Standard deviation of the sensor noise, in steps of 1/255.

    Returns:
        uint8 RGB frames ``[T, H, W, 3]``.

    Raises:
        InvalidInputError: The size is too small.
    """
    grid, unit = _pixel_grid(size, camera)
    # Only the run of bodies before the first moving one can be painted once for all frames.
    movers = [index for index, body in enumerate(trajectory.bodies) if body.moving]
    first = movers[0] if movers else len(trajectory.bodies)
    backdrop = _backdrop(trajectory, grid)
    for body in trajectory.bodies[:first]:
        _paint(backdrop, body, 0, grid, unit)
    canvas = np.repeat(backdrop[None], len(trajectory.times), axis=0)
    for body in trajectory.bodies[first:]:
        for frame in range(len(canvas)):
            _paint(canvas[frame], body, frame, grid, unit)
    key = [trajectory.scene.seed, trajectory.take, CAMERAS.index(camera)]
    grain = np.random.default_rng(key).standard_normal(canvas.shape, dtype=np.float32)
    return np.clip(np.rint(canvas * 255.0 + noise * grain), 0, 255).astype(np.uint8)


def _paint(canvas: FloatArray, body: Body, frame: int, grid: FloatArray, unit: float) -> None:
    if body.opacity[frame] == 0.0:
        return
    window = _window(body, frame, grid, unit)
    part = grid[window]
    cover = _coverage(body, frame, part, unit)[..., None]
    canvas[window] += cover * (_shade(body, frame, part) - canvas[window])


def masks(
    trajectory: Trajectory, size: tuple[int, int], camera: Camera = "center"
) -> dict[str, Mask]:
    """Where each moving body is, as ``{name: bool [T, H, W]}`` (covering half a pixel or more)."""
    grid, unit = _pixel_grid(size, camera)
    found = {}
    for body in trajectory.bodies:
        if body.moving:
            layers = [_coverage(body, frame, grid, unit) for frame in range(len(body.centre))]
            found[body.name] = np.stack(layers) >= 0.5
    return found
