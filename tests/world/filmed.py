"""Clips whose motion is known: discs painted on a wall with a floor, and rendered world scenes.

Painted clips need no physics engine: a test says where a disc is, and knows what must be measured.
"""

import functools

import numpy as np

from phyrefine.video.clip import Clip
from phyrefine.world.eye.checking.laws import check
from phyrefine.world.eye.measuring.case import open_case
from phyrefine.world.eye.measuring.tracking import look
from phyrefine.world.wordings import read_cues

SIZE = (96, 128)  # height, width
FLOOR = 16.0  # pixels above the lower border
FPS = 16.0
WALL, GROUND = (205, 208, 200), (95, 90, 88)
RED, BLUE, GREEN = (210, 45, 40), (40, 80, 215), (40, 150, 65)


def seconds(duration, fps=FPS):
    return np.arange(round(duration * fps)) / fps


def wall(floor=FLOOR, size=SIZE):
    image = np.empty((*size, 3))
    image[:] = WALL
    if floor:
        image[size[0] - int(floor) :] = GROUND
    return image


def paint(*things, image=None, fps=FPS, noise=0.0):
    """A clip of discs: each thing is ``(x [T], up [T], radius or [T], colour or [T, 3])``.

    Where ``x`` is NaN the thing is not there. Later things cover earlier ones.
    """
    image = wall() if image is None else image
    height, width = image.shape[:2]
    count = len(things[0][0])
    frames = np.repeat(np.rint(image)[None].astype(np.uint8), count, axis=0)
    for x, up, radius, colour in things:
        colours = np.broadcast_to(np.asarray(colour, float), (count, 3))
        radii = np.broadcast_to(np.asarray(radius, float), count)
        for index in np.flatnonzero(np.isfinite(x)):
            reach = radii[index] + 1.0
            left, right = np.clip([x[index] - reach, x[index] + reach + 1], 0, width).astype(int)
            low, high = np.clip([up[index] - reach, up[index] + reach + 1], 0, height).astype(int)
            part = frames[index, height - high : height - low, left:right]
            column = np.arange(left, right) + 0.5
            level = np.arange(high, low, -1)[:, None] - 0.5
            away = np.hypot(column - x[index], level - up[index])
            cover = np.clip(radii[index] + 0.5 - away, 0.0, 1.0)[..., None]
            part[:] = np.rint(part + cover * (colours[index] - part))
    if noise:
        grain = noise * np.random.default_rng(0).standard_normal(frames.shape, dtype=np.float32)
        frames = np.clip(np.rint(frames + grain), 0, 255).astype(np.uint8)
    return Clip(frames, fps)


def see(clip, **settings):
    return look(clip.frames, clip.fps, **settings)


def examine(clip, seam=0.0, description=""):
    """The case of a clip whose made part begins ``seam`` seconds into it."""
    sight = see(clip)
    return open_case(sight, int(np.searchsorted(sight.times, seam - 1e-6)), read_cues(description))


def topics(clip, seam=0.0, description=""):
    """What is found wrong, as topics in order of time."""
    return [finding.topic for finding in check(examine(clip, seam, description))]


def fall(times, *, start, let_go, gravity, bounce=0.7, rest=FLOOR + 5.0, speed=0.0):
    """Height [T] of a thing let go at ``let_go`` seconds, with bounces that keep ``bounce``."""
    height = np.full(len(times), float(start))
    moment, level, rate = let_go, float(start), float(speed)
    for _ in range(30):
        landing = (rate + np.sqrt(rate**2 + 2 * gravity * max(level - rest, 0.0))) / gravity
        passed = times - moment
        here = (passed >= 0) & (passed <= landing)
        height[here] = (level + rate * passed - gravity * passed**2 / 2)[here]
        impact = gravity * landing - rate
        moment, level, rate = moment + landing, rest, bounce * impact
        height[times >= moment] = rest
        if rate < 1.0:
            break
    return height


def swinging(times, *, pivot=(64.0, 88.0), length=50.0, angle=0.5, period=1.5, decay=0.0):
    """(x, up) of a bob on a circle whose angle follows a cosine."""
    turned = angle * np.exp(-decay * times) * np.cos(2 * np.pi * times / period)
    return pivot[0] + length * np.sin(turned), pivot[1] - length * np.cos(turned)


# -- the world's own scenes --------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def world_clip(kind, seed, mistake="", fps=24.0, size=(64, 48)):
    """A rendered scene: (scene, whole clip of 8 s whose made part begins at 3 s)."""
    from phyrefine.world.truth.physics.mistakes import MISTAKES, plant
    from phyrefine.world.truth.scenes import render, sample_scene, simulate

    scene = sample_scene(kind, seed)
    trajectory = simulate(scene, fps=48.0)
    if mistake:
        planted = next(item for item in MISTAKES[kind] if item.name == mistake)
        right = simulate(scene, seconds=planted.seconds, fps=48.0)
        trajectory, _ = plant(right, planted, np.random.default_rng([seed, 11]), early=True)
    return scene, Clip(render(trajectory.every(round(48 / fps)), size), fps)
