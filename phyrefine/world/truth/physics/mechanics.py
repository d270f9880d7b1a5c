"""Rigid-body scenes, simulated by pymunk (Chipmunk 2-D).

Every simulation runs at 480 steps a second and is then read off at the asked times, so the
frame rate of a clip never changes its physics.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pymunk

from phyrefine.world.truth.physics.scene import COLOURS, Scene
from phyrefine.world.truth.physics.trajectory import Body, FloatArray, moving, still

GRAVITY = 4.0
STEPS_PER_SECOND = 480
FLOOR = 0.35

_WOOD = (0.55, 0.40, 0.26)
_STEEL = (0.35, 0.37, 0.42)
_FLOOR_COLOUR = (0.46, 0.43, 0.40)

Step = Callable[[float], None]


class Recorder:
    """A pymunk space that notes where its bodies are at every step."""

    def __init__(self, gravity: float = GRAVITY) -> None:
        self.space = pymunk.Space()
        self.space.gravity = (0.0, -gravity)
        self.space.iterations = 30
        self.space.collision_slop = 0.002
        self.bodies: list[pymunk.Body] = []

    def wall(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        elasticity: float,
        friction: float = 0.0,
    ) -> None:
        """Add a fixed segment whose surface is ``start``-``end``."""
        thickness = 0.02
        direction = np.subtract(end, start)
        normal = np.array((-direction[1], direction[0])) / np.linalg.norm(direction)
        lower = [tuple(np.asarray(point) - normal * thickness) for point in (start, end)]
        shape = pymunk.Segment(self.space.static_body, lower[0], lower[1], thickness)
        shape.elasticity, shape.friction = elasticity, friction
        self.space.add(shape)

    def disc(
        self,
        position: tuple[float, float],
        radius: float,
        elasticity: float,
        friction: float = 0.0,
        mass: float = 1.0,
    ) -> pymunk.Body:
        """Add a solid disc."""
        body = pymunk.Body(mass, pymunk.moment_for_circle(mass, 0.0, radius))
        shape = pymunk.Circle(body, radius)
        return self._add(body, shape, position, elasticity, friction)

    def box(self, position: tuple[float, float], half_side: float, friction: float) -> pymunk.Body:
        """Add a square block of mass 1."""
        side = (2 * half_side, 2 * half_side)
        body = pymunk.Body(1.0, pymunk.moment_for_box(1.0, side))
        return self._add(body, pymunk.Poly.create_box(body, side), position, 0.05, friction)

    def _add(
        self,
        body: pymunk.Body,
        shape: pymunk.Shape,
        position: tuple[float, float],
        elasticity: float,
        friction: float,
    ) -> pymunk.Body:
        body.position = position
        shape.elasticity, shape.friction = elasticity, friction
        self.space.add(body, shape)
        self.bodies.append(body)
        return body

    def run(self, times: FloatArray, release: float, launch: Step, each: Step) -> FloatArray:
        """Hold everything until ``release``, call ``launch``, then simulate.

        Args:
            times: ``[T]`` seconds, rising.
            release: Seconds at which the bodies are let go.
            launch: Called once with the time of release.
            each: Called before every step with the time.

        Returns:
            ``[T, B, 3]``: x, y and angle of every body in the order they were added.
        """
        step = 1.0 / STEPS_PER_SECOND
        states = [self._state()]
        clock = [release]
        launch(release)
        while clock[-1] < times[-1]:
            each(clock[-1])
            self.space.step(step)
            clock.append(clock[-1] + step)
            states.append(self._state())
        track = np.stack(states)
        moments = np.clip(times, release, None)
        flat = track.reshape(len(track), -1)
        read = [np.interp(moments, clock, flat[:, column]) for column in range(flat.shape[1])]
        return np.stack(read, axis=1).reshape(len(times), len(self.bodies), 3)

    def _state(self) -> FloatArray:
        return np.array([(*body.position, body.angle) for body in self.bodies])


def nothing(_: float) -> None:
    """A launch or step that leaves the bodies alone."""


def floor_body(times: FloatArray) -> Body:
    """The floor every upright scene stands on."""
    return still("floor", "box", (0.0, FLOOR - 1.0), (4.0, 1.0), _FLOOR_COLOUR, times)


def _jitter(scene: Scene, take: int, scale: float) -> float:
    """The small physical randomness by which take 2 differs from take 1."""
    if take == 1:
        return 0.0
    return float(np.random.default_rng([scene.seed, take, int(scale * 1e6)]).normal(0.0, scale))


def _drag(body: pymunk.Body, rate: float) -> Step:
    """Rolling resistance: the speed along the floor dies at ``rate`` per second."""

    def each(_: float) -> None:
        slowed = body.velocity.x * (1.0 - rate / STEPS_PER_SECOND)
        body.velocity = (slowed, body.velocity.y)

    return each


def drop(scene: Scene, times: FloatArray, take: int) -> list[Body]:
    """A ball hangs from a holder, is let go, and bounces on the floor."""
    radius, x = scene.number("radius"), scene.number("x")
    recorder = Recorder()
    bounce = float(np.clip(scene.number("restitution") + _jitter(scene, take, 0.015), 0.0, 1.0))
    recorder.wall((-9.0, FLOOR), (9.0, FLOOR), 1.0)
    height = scene.number("height")
    ball = recorder.disc((x, height), radius, bounce)

    def launch(_: float) -> None:
        ball.velocity = (_jitter(scene, take, 0.02), 0.0)

    track = recorder.run(times, scene.number("release"), launch, nothing)
    top = height + radius
    return [
        floor_body(times),
        still("holder", "box", (x, (3.2 + top) / 2), (0.06, (3.2 - top) / 2), _STEEL, times),
        moving("ball", "disc", track[:, 0, :2], (radius, radius), COLOURS[scene.word("colour")]),
    ]


def projectile(scene: Scene, times: FloatArray, take: int) -> list[Body]:
    """A ball flies off a pedestal along an arc and bounces on."""
    radius, x, side = scene.number("radius"), scene.number("x"), scene.number("side")
    height = scene.number("height")
    recorder = Recorder()
    bounce = scene.number("restitution") + _jitter(scene, take, 0.015)
    recorder.wall((-9.0, FLOOR), (9.0, FLOOR), 1.0)
    ball = recorder.disc((x, height + radius), radius, bounce)

    def launch(_: float) -> None:
        speed = scene.number("speed") + _jitter(scene, take, 0.02)
        ball.velocity = (side * speed, scene.number("lift"))

    track = recorder.run(times, scene.number("release"), launch, nothing)
    middle = (height + FLOOR) / 2
    return [
        floor_body(times),
        still("pedestal", "box", (x, middle), (0.22, height - middle), _WOOD, times),
        moving("ball", "disc", track[:, 0, :2], (radius, radius), COLOURS[scene.word("colour")]),
    ]


def collision(scene: Scene, times: FloatArray, take: int) -> list[Body]:
    """A ball rolls into a resting ball of equal mass."""
    radius, side = scene.number("radius"), scene.number("side")
    recorder = Recorder()
    bounce = math.sqrt(scene.number("restitution"))
    # The floor must not bounce the balls: pymunk multiplies the two elasticities.
    recorder.wall((-9.0, FLOOR), (9.0, FLOOR), 0.0)
    first = recorder.disc((scene.number("x"), FLOOR + radius), radius, bounce)
    second = recorder.disc((scene.number("other_x"), FLOOR + radius), radius, bounce)
    slow = [_drag(first, 0.45), _drag(second, 0.45)]

    def launch(_: float) -> None:
        first.velocity = (side * (scene.number("speed") + _jitter(scene, take, 0.02)), 0.0)

    def each(time: float) -> None:
        for step in slow:
            step(time)

    track = recorder.run(times, scene.number("release"), launch, each)
    extent = (radius, radius)
    return [
        floor_body(times),
        moving("ball", "disc", track[:, 0, :2], extent, COLOURS[scene.word("colour")]),
        moving("other ball", "disc", track[:, 1, :2], extent, COLOURS[scene.word("other_colour")]),
    ]


def incline(scene: Scene, times: FloatArray, take: int) -> list[Body]:
    """A ball rolls without slipping down a ramp and out over the floor."""
    radius, side, slope = scene.number("radius"), scene.number("side"), scene.number("slope")
    recorder = Recorder()
    foot = np.array((0.2, FLOOR))
    run = np.array((math.cos(slope), math.sin(slope)))
    top = foot - np.array((run[0], -run[1])) * 2.4
    recorder.wall((-9.0, FLOOR), (9.0, FLOOR), 0.0, 1.0)
    ramp = [(side * float(foot[0]), FLOOR), (side * float(top[0]), float(top[1]))]
    start, end = (ramp[0], ramp[1]) if side < 0 else (ramp[1], ramp[0])
    recorder.wall(start, end, 0.0, 1.0)
    # 0.55 units below the top edge, touching the surface.
    seat = top + np.array((run[0], -run[1])) * 0.55 + np.array((run[1], run[0])) * radius
    ball = recorder.disc((side * float(seat[0]), float(seat[1])), radius, 0.0, 1.0)

    def launch(_: float) -> None:
        ball.velocity = (side * _jitter(scene, take, 0.02), 0.0)

    slow = _drag(ball, 1.1)

    def each(time: float) -> None:
        if ball.position.y < FLOOR + radius + 0.02:
            slow(time)

    track = recorder.run(times, scene.number("release"), launch, each)
    middle = (foot + top) / 2 - np.array((run[1], run[0])) * 0.06
    return [
        still(
            "ramp",
            "box",
            (side * float(middle[0]), float(middle[1])),
            (1.2, 0.06),
            _WOOD,
            times,
            angle=-side * slope,
        ),
        floor_body(times),
        moving(
            "ball",
            "disc",
            track[:, 0, :2],
            (radius, radius),
            COLOURS[scene.word("colour")],
            track[:, 0, 2],
            marked=True,
        ),
    ]


def pendulum(scene: Scene, times: FloatArray, take: int) -> list[Body]:
    """A bob is let go and swings on a string of constant length."""
    radius, length = scene.number("radius"), scene.number("length")
    pivot = np.array((scene.number("x"), 2.85))
    angle = scene.number("amplitude") + _jitter(scene, take, 0.01)
    recorder = Recorder()
    seat = pivot + length * np.array((math.sin(angle), -math.cos(angle)))
    bob = recorder.disc((float(seat[0]), float(seat[1])), radius, 0.0)
    string = pymunk.PinJoint(recorder.space.static_body, bob, tuple(pivot), (0.0, 0.0))
    recorder.space.add(string)

    def air(_: float) -> None:
        bob.velocity *= 1.0 - 0.04 / STEPS_PER_SECOND

    track = recorder.run(times, scene.number("release"), nothing, air)
    centre = track[:, 0, :2]
    lean = np.arctan2(centre[:, 0] - pivot[0], pivot[1] - centre[:, 1])
    return [
        still("beam", "box", (float(pivot[0]), 2.9), (0.5, 0.06), _WOOD, times),
        moving("string", "box", (centre + pivot) / 2, (0.025, length / 2), _STEEL, lean),
        moving("ball", "disc", centre, (radius, radius), COLOURS[scene.word("colour")]),
    ]


def stack(scene: Scene, times: FloatArray, take: int) -> list[Body]:
    """A rolling ball runs into a stack of blocks and topples it."""
    side, half = scene.number("side"), scene.number("half_side")
    recorder = Recorder()
    recorder.wall((-9.0, FLOOR), (9.0, FLOOR), 0.2, 0.7)
    x, count = scene.number("x"), int(scene.number("blocks"))
    heights = [FLOOR + half * (2 * index + 1) for index in range(count)]
    ball = recorder.disc((-1.6 * side, FLOOR + 0.3), 0.3, 0.3, 0.5, mass=2.0)
    for height in heights:
        recorder.box((x, height), half, 0.5)

    def launch(_: float) -> None:
        speed = scene.number("speed") + _jitter(scene, take, 0.03)
        ball.velocity = (side * speed, 0.0)
        ball.angular_velocity = -side * speed / 0.3

    track = recorder.run(times, scene.number("release"), launch, nothing)
    blocks = [
        moving(
            f"block {index + 1}",
            "box",
            track[:, index + 1, :2],
            (half, half),
            COLOURS[scene.word("other_colour" if index % 2 else "colour")],
            track[:, index + 1, 2],
        )
        for index in range(count)
    ]
    rolling = moving(
        "ball", "disc", track[:, 0, :2], (0.3, 0.3), _STEEL, track[:, 0, 2], marked=True
    )
    return [floor_body(times), *blocks, rolling]


def magnet(scene: Scene, times: FloatArray, take: int) -> list[Body]:
    """An iron ball is let go near a magnet, is drawn to it and stays."""
    radius, side = scene.number("radius"), scene.number("side")
    recorder = Recorder()
    recorder.wall((-9.0, FLOOR), (9.0, FLOOR), 0.0)
    face = 1.3 * side
    ends = ((face, 3.0), (face, 0.0)) if side < 0 else ((face, 0.0), (face, 3.0))
    recorder.wall(*ends, elasticity=0.02)
    ball = recorder.disc((scene.number("x"), FLOOR + radius), radius, 1.0)
    pull = scene.number("pull") + _jitter(scene, take, 0.02)

    def attract(_: float) -> None:
        gap = max(abs(face - ball.position.x) - radius, 0.0)
        # A dipole's pull falls steeply with distance; softened so that contact stays finite.
        ball.force = (side * pull / (0.6 + gap) ** 2, 0.0)

    track = recorder.run(times, scene.number("release"), nothing, attract)
    return [
        floor_body(times),
        still(
            "north pole", "box", (face + 0.3 * side, 0.82), (0.3, 0.235), (0.8, 0.12, 0.12), times
        ),
        still(
            "south pole", "box", (face + 0.3 * side, 0.585), (0.3, 0.235), (0.75, 0.75, 0.8), times
        ),
        moving("ball", "disc", track[:, 0, :2], (radius, radius), COLOURS[scene.word("colour")]),
    ]
