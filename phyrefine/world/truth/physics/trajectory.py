"""What moves where: the sampled motion of every body of a scene.

Units are the world's own: the frame shows ``x`` in [-2, 2] and ``y`` in [0, 3], ``y`` upwards,
and gravity is 4 units/s², so that falls and bounces fill the seconds of a clip.
"""

from __future__ import annotations

from typing import Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from phyrefine.world.truth.physics.scene import Scene

FloatArray = NDArray[np.float64]

FRAME_WIDTH = 4.0
FRAME_HEIGHT = 3.0
SEAM_SECONDS = 3.0
CLIP_SECONDS = 8.0


@attrs.frozen(eq=False)
class Body:
    """One drawn shape over time (``T`` samples).

    Args:
        name: Unique in its scene, for example ``"ball"`` or ``"floor"``.
        shape: A ``"disc"`` of radius ``extent[:, 0]``, or a ``"box"`` of half sides ``extent``.
        centre: ``[T, 2]``, world units.
        angle: ``[T]``, radians, counter-clockwise.
        extent: ``[T, 2]``, world units.
        colour: ``[T, 3]``, RGB in [0, 1].
        opacity: ``[T]`` in [0, 1]; 0 where the body is not there.
        softness: Width of the edge in world units; 0 is a sharp edge.
        moving: Whether the body counts as a moving object in masks.
        marked: Whether a disc carries a mark that shows its turning.
    """

    name: str
    shape: Literal["disc", "box"]
    centre: FloatArray
    angle: FloatArray
    extent: FloatArray
    colour: FloatArray
    opacity: FloatArray
    softness: float = 0.0
    moving: bool = False
    marked: bool = False

    def at(self, kept: slice) -> Body:
        """The body at some of the samples."""
        return attrs.evolve(
            self,
            centre=self.centre[kept],
            angle=self.angle[kept],
            extent=self.extent[kept],
            colour=self.colour[kept],
            opacity=self.opacity[kept],
        )


@attrs.frozen(eq=False)
class Trajectory:
    """A simulated scene: ``times`` ``[T]`` in seconds, and its bodies in drawing order."""

    scene: Scene
    take: int
    times: FloatArray
    bodies: tuple[Body, ...]

    def body(self, name: str) -> Body:
        """The body called ``name``.

        Raises:
            KeyError: There is none.
        """
        for body in self.bodies:
            if body.name == name:
                return body
        raise KeyError(f"no body {name!r}; there are {[body.name for body in self.bodies]}")

    def every(self, step: int, start: int = 0) -> Trajectory:
        """Each ``step``-th sample from sample ``start`` on."""
        kept = slice(start, None, step)
        bodies = tuple(body.at(kept) for body in self.bodies)
        return attrs.evolve(self, times=self.times[kept], bodies=bodies)

    def before(self, second: float) -> Trajectory:
        """The samples before ``second``."""
        count = int(np.searchsorted(self.times, second - 1e-9))
        bodies = tuple(body.at(slice(count)) for body in self.bodies)
        return attrs.evolve(self, times=self.times[:count], bodies=bodies)

    def with_body(self, changed: Body) -> Trajectory:
        """A copy in which ``changed`` replaces the body of its name."""
        bodies = tuple(changed if body.name == changed.name else body for body in self.bodies)
        return attrs.evolve(self, bodies=bodies)


def still(
    name: str,
    shape: Literal["disc", "box"],
    centre: tuple[float, float],
    extent: tuple[float, float],
    colour: tuple[float, float, float],
    times: FloatArray,
    angle: float = 0.0,
) -> Body:
    """A body that never moves."""
    count = len(times)
    return Body(
        name=name,
        shape=shape,
        centre=np.tile(np.asarray(centre, float), (count, 1)),
        angle=np.full(count, angle),
        extent=np.tile(np.asarray(extent, float), (count, 1)),
        colour=np.tile(np.asarray(colour, float), (count, 1)),
        opacity=np.ones(count),
    )


def moving(
    name: str,
    shape: Literal["disc", "box"],
    centre: FloatArray,
    extent: tuple[float, float] | FloatArray,
    colour: tuple[float, float, float] | FloatArray,
    angle: FloatArray | None = None,
    *,
    softness: float = 0.0,
    marked: bool = False,
) -> Body:
    """A body with a centre for every time; constant extents and colours are repeated."""
    count = len(centre)
    return Body(
        name=name,
        shape=shape,
        centre=np.asarray(centre, float),
        angle=np.zeros(count) if angle is None else np.asarray(angle, float),
        extent=np.broadcast_to(np.asarray(extent, float), (count, 2)),
        colour=np.broadcast_to(np.asarray(colour, float), (count, 3)),
        opacity=np.ones(count),
        softness=softness,
        moving=True,
        marked=marked,
    )
