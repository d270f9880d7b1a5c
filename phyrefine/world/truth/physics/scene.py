"""Scenes as data: what kinds there are, which physics they show, how one is drawn from a seed."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from typing import Literal

import attrs
import numpy as np

from phyrefine.errors import InvalidInputError

Value = float | str
Domain = Literal["solid mechanics", "fluid dynamics", "optics", "thermodynamics", "magnetism"]

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.86, 0.16, 0.14),
    "blue": (0.13, 0.30, 0.85),
    "green": (0.10, 0.58, 0.24),
    "orange": (0.95, 0.52, 0.08),
    "purple": (0.50, 0.18, 0.66),
    "black": (0.12, 0.12, 0.14),
}

# Coefficients of restitution; a mass of clay lands without bouncing.
RESTITUTION: dict[str, tuple[float, float]] = {
    "rubber": (0.76, 0.83),
    "wooden": (0.55, 0.61),
    "clay": (0.0, 0.04),
}

TRAINING_SEEDS = range(1_000_000)
TEST_SEEDS = range(1_000_000, 2_000_000)


@attrs.frozen
class Scene:
    """One scene: its ``kind``, the physics ``domain`` it shows, and the drawn ``params``."""

    kind: str
    domain: Domain
    params: Mapping[str, Value] = attrs.field(hash=False)
    seed: int

    def number(self, name: str) -> float:
        """The numeric parameter ``name``."""
        return float(self.params[name])

    def word(self, name: str) -> str:
        """The parameter ``name`` as a word."""
        return str(self.params[name])


def split_of(seed: int) -> Literal["training", "test"]:
    """Which split a scene seed belongs to; the generator never trains on test seeds."""
    if seed in TRAINING_SEEDS:
        return "training"
    if seed in TEST_SEEDS:
        return "test"
    raise InvalidInputError(
        f"Scene seed {seed} is in no split. Use 0-999999 (training) or 1000000-1999999 (test)."
    )


Rng = np.random.Generator


def _side(rng: Rng) -> float:
    return float(rng.choice((-1.0, 1.0)))


def _two_colours(rng: Rng) -> tuple[str, str]:
    first, second = rng.choice(list(COLOURS), size=2, replace=False)
    return str(first), str(second)


def _ball(rng: Rng, materials: tuple[str, ...], weights: tuple[float, ...]) -> dict[str, Value]:
    material = str(rng.choice(materials, p=weights))
    return {
        "colour": str(rng.choice(list(COLOURS))),
        "material": material,
        "radius": rng.uniform(0.22, 0.30),
        "restitution": rng.uniform(*RESTITUTION[material]),
    }


def _drop(rng: Rng) -> dict[str, Value]:
    return {
        **_ball(rng, ("rubber", "wooden", "clay"), (0.45, 0.40, 0.15)),
        "x": rng.uniform(-1.2, 1.2),
        "height": rng.uniform(1.9, 2.5),
        "release": rng.uniform(2.35, 2.75),
    }


def _projectile(rng: Rng) -> dict[str, Value]:
    side = _side(rng)
    return {
        **_ball(rng, ("rubber", "wooden"), (0.5, 0.5)),
        "side": side,
        "x": -1.65 * side,
        "height": rng.uniform(0.75, 1.3),
        "speed": rng.uniform(0.6, 0.95),
        "lift": rng.uniform(1.5, 2.1),
        "release": rng.uniform(2.4, 2.75),
    }


def _collision(rng: Rng) -> dict[str, Value]:
    colour, other = _two_colours(rng)
    side = _side(rng)
    return {
        "colour": colour,
        "other_colour": other,
        "radius": rng.uniform(0.24, 0.30),
        "side": side,
        "x": -1.55 * side,
        "other_x": rng.uniform(-0.4, 0.1) * side,
        "speed": rng.uniform(1.3, 1.8),
        "restitution": rng.uniform(0.9, 0.96),
        "release": rng.uniform(2.4, 2.75),
    }


def _incline(rng: Rng) -> dict[str, Value]:
    return {
        "colour": str(rng.choice(list(COLOURS))),
        "radius": rng.uniform(0.22, 0.28),
        "side": _side(rng),
        "slope": rng.uniform(math.radians(15), math.radians(24)),
        "release": rng.uniform(2.1, 2.5),
    }


def _pendulum(rng: Rng) -> dict[str, Value]:
    return {
        "colour": str(rng.choice(list(COLOURS))),
        "radius": rng.uniform(0.20, 0.28),
        "x": rng.uniform(-0.3, 0.3),
        "length": rng.uniform(1.3, 1.9),
        "amplitude": _side(rng) * rng.uniform(math.radians(28), math.radians(48)),
        "release": rng.uniform(0.5, 2.2),
    }


def _stack(rng: Rng) -> dict[str, Value]:
    colour, other = _two_colours(rng)
    side = _side(rng)
    return {
        "colour": colour,
        "other_colour": other,
        "side": side,
        "blocks": float(rng.integers(3, 5)),
        "half_side": rng.uniform(0.19, 0.22),
        "x": rng.uniform(-0.1, 0.3) * side,
        "speed": rng.uniform(2.0, 2.6),
        "release": rng.uniform(2.5, 2.75),
    }


def _stain(rng: Rng) -> dict[str, Value]:
    return {
        "colour": str(rng.choice(list(COLOURS))),
        "x": rng.uniform(-0.8, 0.8),
        "y": rng.uniform(1.1, 1.9),
        "width": rng.uniform(0.16, 0.22),
        "diffusivity": rng.uniform(0.03, 0.06),
        "release": rng.uniform(1.8, 2.6),
    }


def _shadow(rng: Rng) -> dict[str, Value]:
    return {
        "colour": str(rng.choice(list(COLOURS))),
        "side": _side(rng),
        "x": rng.uniform(-0.3, 0.3),
        "post": rng.uniform(0.7, 1.0),
        "lamp": rng.uniform(2.2, 2.5),
        "speed": rng.uniform(0.40, 0.52),
        "release": rng.uniform(1.6, 2.2),
    }


def _magnet(rng: Rng) -> dict[str, Value]:
    side = _side(rng)
    return {
        "colour": str(rng.choice(("black", "blue", "green"))),
        "radius": rng.uniform(0.20, 0.27),
        "side": side,
        "x": rng.uniform(-1.0, -0.4) * side,
        "pull": rng.uniform(1.0, 1.5),
        "release": rng.uniform(1.8, 2.4),
    }


def _cooling(rng: Rng) -> dict[str, Value]:
    return {
        "x": rng.uniform(-0.6, 0.6),
        "side": _side(rng),
        "half_side": rng.uniform(0.32, 0.42),
        "rate": rng.uniform(0.30, 0.50),
        "loss": rng.uniform(0.02, 0.05),
        "release": rng.uniform(1.4, 2.2),
    }


@attrs.frozen
class Kind:
    """A kind of scene: the ``domain`` it shows, how to ``draw`` one, and its training share."""

    domain: Domain
    draw: Callable[[Rng], dict[str, Value]]
    training_share: float


KINDS: dict[str, Kind] = {
    "drop": Kind("solid mechanics", _drop, 0.32),
    "collision": Kind("solid mechanics", _collision, 0.22),
    "projectile": Kind("solid mechanics", _projectile, 0.12),
    "incline": Kind("solid mechanics", _incline, 0.10),
    "pendulum": Kind("solid mechanics", _pendulum, 0.10),
    "stack": Kind("solid mechanics", _stack, 0.0),
    "stain": Kind("fluid dynamics", _stain, 0.03),
    "shadow": Kind("optics", _shadow, 0.03),
    "cooling": Kind("thermodynamics", _cooling, 0.03),
    "magnet": Kind("magnetism", _magnet, 0.05),
}


def sample_scene(kind: str, seed: int) -> Scene:
    """Draw a scene of ``kind``; the same seed gives the same scene.

    Raises:
        InvalidInputError: The kind is unknown or the seed belongs to no split.
    """
    if kind not in KINDS:
        raise InvalidInputError(f"No scene kind {kind!r}. Use one of {', '.join(KINDS)}.")
    split_of(seed)
    rng = np.random.default_rng([seed, zlib.crc32(kind.encode())])
    drawn = {
        name: value if isinstance(value, str) else round(float(value), 6)
        for name, value in KINDS[kind].draw(rng).items()
    }
    return Scene(kind=kind, domain=KINDS[kind].domain, params=drawn, seed=seed)
