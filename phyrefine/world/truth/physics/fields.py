"""Scenes without rigid bodies: diffusion, shadows and heat, by their closed forms."""

from __future__ import annotations

import attrs
import numpy as np

from phyrefine.world.truth.physics.mechanics import FLOOR, floor_body
from phyrefine.world.truth.physics.scene import COLOURS, Scene
from phyrefine.world.truth.physics.trajectory import Body, FloatArray, moving, still

_COLD = np.array((0.30, 0.32, 0.38))
_HOT = np.array((1.00, 0.62, 0.12))


def _wobble(scene: Scene, take: int, scale: float) -> float:
    if take == 1:
        return 1.0
    return 1.0 + float(np.random.default_rng([scene.seed, take]).normal(0.0, scale))


def stain(scene: Scene, times: FloatArray, take: int) -> list[Body]:
    """A drop of ink spreads in still water seen from above.

    Two-dimensional diffusion of a Gaussian: its variance grows by 2·D·t and its peak falls as
    the variance grows, so the amount of ink stays the same.
    """
    spread = scene.number("diffusivity") * _wobble(scene, take, 0.03)
    width = scene.number("width")
    since = np.clip(times - scene.number("release"), 0.0, None)
    variance = width**2 + 2.0 * spread * since
    radius = np.sqrt(variance)
    count = len(times)
    ink = moving(
        "stain",
        "disc",
        np.tile((scene.number("x"), scene.number("y")), (count, 1)),
        np.stack([radius, radius], axis=1),
        COLOURS[scene.word("colour")],
        softness=1.0,
    )
    there = (times >= scene.number("release")).astype(float)
    ink = attrs.evolve(ink, opacity=there * width**2 / variance)
    tray = still("tray", "box", (0.0, 1.5), (1.9, 1.4), (0.84, 0.90, 0.94), times)
    return [tray, ink]


def shadow(scene: Scene, times: FloatArray, take: int) -> list[Body]:
    """A lamp travels above a post; the post's shadow points away from it (similar triangles)."""
    lamp_y, post = scene.number("lamp"), scene.number("post")
    base, side = scene.number("x"), scene.number("side")
    speed = scene.number("speed") * _wobble(scene, take, 0.02)
    since = np.clip(times - scene.number("release"), 0.0, None)
    lamp_x = side * (speed * since - 1.4)
    reach = (base - lamp_x) * post / (lamp_y - FLOOR - post)
    count = len(times)
    lamp = moving(
        "lamp",
        "disc",
        np.stack([lamp_x, np.full(count, lamp_y)], axis=1),
        (0.16, 0.16),
        (1.0, 0.93, 0.45),
    )
    dark = moving(
        "shadow",
        "box",
        np.stack([base + reach / 2, np.full(count, FLOOR - 0.09)], axis=1),
        np.stack([np.abs(reach) / 2, np.full(count, 0.07)], axis=1),
        (0.12, 0.12, 0.13),
    )
    column = still(
        "post",
        "box",
        (base, FLOOR + post / 2),
        (0.09, post / 2),
        COLOURS[scene.word("colour")],
        times,
    )
    return [floor_body(times), dark, column, lamp]


def cooling(scene: Scene, times: FloatArray, take: int) -> list[Body]:
    """A glowing block touches a cold one: heat flows until both are equally warm.

    Newton's law: the difference decays at twice the exchange rate, both lose a little to the
    room. Temperature is shown as incandescent colour.
    """
    half, side = scene.number("half_side"), scene.number("side")
    middle = scene.number("x")
    rate = scene.number("rate") * _wobble(scene, take, 0.03)
    since = np.clip(times - scene.number("release"), 0.0, None)
    mean = 0.5 * np.exp(-scene.number("loss") * since)
    difference = np.exp(-2.0 * rate * since)
    hot, cold = mean * (1.0 + difference), mean * (1.0 - difference)
    arrival = np.clip((scene.number("release") - times) / 0.8, 0.0, 1.0) * 0.7
    count = len(times)
    height = np.full(count, FLOOR + half)

    def block(name: str, x: FloatArray, warmth: FloatArray) -> Body:
        colour = _COLD + warmth[:, None] * (_HOT - _COLD)
        return moving(name, "box", np.stack([x, height], axis=1), (half, half), colour)

    return [
        floor_body(times),
        block("hot block", middle - side * (half + arrival), hot),
        block("cold block", np.full(count, middle + side * half), cold),
    ]
