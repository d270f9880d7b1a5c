"""Wrong physics on purpose: clips whose captions stay truthful by leaving things out.

Only the ``priors`` variant of the generator sees these, in training.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np

from phyrefine.world.truth.physics.scene import Scene
from phyrefine.world.truth.physics.trajectory import SEAM_SECONDS, Trajectory

Rng = np.random.Generator


@attrs.frozen
class Mistake:
    """One kind of wrong outcome: the topics a caption must then leave out, and the edit itself."""

    unsaid: frozenset[str]
    edit: Callable[[Trajectory, Rng], Trajectory]


def _first_after_seam(trajectory: Trajectory, condition: np.ndarray) -> int:
    late = condition & (trajectory.times > SEAM_SECONDS)
    return int(np.argmax(late)) if late.any() else len(condition)


def _contact(trajectory: Trajectory) -> int:
    """First sample after the seam at which the ball bounces, or sets another ball in motion.

    The trajectory must be sampled finely (40 or more samples a second) to catch it.
    """
    if trajectory.scene.kind == "collision":
        struck = trajectory.body("other ball").centre[:, 0]
        return _first_after_seam(trajectory, np.abs(struck - struck[0]) > 0.003)
    ball = trajectory.body("ball").centre
    # Free fall bends the path down; only a push from below bends it up this much.
    bend = np.diff(ball[:, 1], n=2, prepend=ball[:1, 1], append=ball[-1:, 1])
    return _first_after_seam(trajectory, bend > 0.01)


def _freeze(trajectory: Trajectory, name: str, start: int) -> Trajectory:
    body = trajectory.body(name)
    stop = np.minimum(np.arange(len(body.centre)), start)
    return trajectory.with_body(
        attrs.evolve(body, centre=body.centre[stop], angle=body.angle[stop])
    )


def float_in_air(trajectory: Trajectory, rng: Rng) -> Trajectory:
    """The ball slows and hangs in the air soon after the seam."""
    late = trajectory.times > SEAM_SECONDS + rng.uniform(0.0, 0.25)
    return _freeze(trajectory, "ball", _first_after_seam(trajectory, late))


def stick(trajectory: Trajectory, _: Rng) -> Trajectory:
    """The ball stays where it first touches the floor or the other ball."""
    start = _contact(trajectory)
    if trajectory.scene.kind != "collision":
        body = trajectory.body("ball")
        centre = body.centre.copy()
        centre[start:, 0] = centre[min(start, len(centre) - 1), 0]
        centre[start:, 1] = 0.35 + trajectory.scene.number("radius")
        return trajectory.with_body(attrs.evolve(body, centre=centre))
    frozen = _freeze(trajectory, "ball", start)
    return _freeze(frozen, "other ball", start)


def vanish(trajectory: Trajectory, rng: Rng) -> Trajectory:
    """The ball fades away within a third of a second around its first contact."""
    start = min(_contact(trajectory), _first_after_seam(trajectory, trajectory.times > 5.0))
    gone = float(trajectory.times[min(start, len(trajectory.times) - 1)]) + rng.uniform(0.0, 0.5)
    body = trajectory.body("ball")
    fading = np.clip(1.0 - (trajectory.times - gone) / 0.3, 0.0, 1.0)
    return trajectory.with_body(attrs.evolve(body, opacity=body.opacity * fading))


def pass_through(trajectory: Trajectory, _: Rng) -> Trajectory:
    """The rolling ball goes on through the resting one, which never moves."""
    first, second = trajectory.body("ball"), trajectory.body("other ball")
    start = _contact(trajectory)
    before = max(start - 2, 1)
    since = np.clip(trajectory.times - trajectory.times[before], 0.0, None)[:, None]
    gap = trajectory.times[before] - trajectory.times[before - 1]
    speed = (first.centre[before] - first.centre[before - 1]) / gap
    rate = 0.45
    onward = first.centre[before] + speed * (1.0 - np.exp(-rate * since)) / rate
    centre = np.where(since > 0.0, onward, first.centre)
    resting = np.repeat(second.centre[:1], len(centre), axis=0)
    through = trajectory.with_body(attrs.evolve(first, centre=centre))
    return through.with_body(attrs.evolve(second, centre=resting))


def stop_rolling(trajectory: Trajectory, rng: Rng) -> Trajectory:
    """The ball halts half way down the ramp."""
    late = trajectory.times > SEAM_SECONDS + rng.uniform(0.0, 0.3)
    return _freeze(trajectory, "ball", _first_after_seam(trajectory, late))


def stop_swinging(trajectory: Trajectory, rng: Rng) -> Trajectory:
    """The pendulum freezes in the middle of its swing."""
    late = trajectory.times > SEAM_SECONDS + rng.uniform(0.2, 1.0)
    start = _first_after_seam(trajectory, late)
    return _freeze(_freeze(trajectory, "ball", start), "string", start)


_SOLID = frozenset({"solid"})
_AFTER_FALL = frozenset(
    {"rebound", "rebound high", "rebound low", "no rebound", "decay", "forward"}
)
_FALL = frozenset({"fall", "land", "arc", "rest"})
_AFTER_HIT = frozenset({"transfer", "friction"})

MISTAKES: dict[str, tuple[Mistake, ...]] = {
    "drop": (
        Mistake(_FALL | _AFTER_FALL, float_in_air),
        Mistake(_AFTER_FALL, stick),
        Mistake(_SOLID | _AFTER_FALL | {"rest"}, vanish),
    ),
    "projectile": (
        Mistake(_FALL | _AFTER_FALL, float_in_air),
        Mistake(_AFTER_FALL, stick),
        Mistake(_SOLID | _AFTER_FALL, vanish),
    ),
    "collision": (
        Mistake(_AFTER_HIT | {"contact"}, pass_through),
        Mistake(_AFTER_HIT, stick),
        Mistake(_SOLID | {"transfer"}, vanish),
    ),
    "incline": (Mistake(frozenset({"roll", "floor", "friction"}), stop_rolling),),
    "pendulum": (Mistake(frozenset({"swing", "fastest", "height"}), stop_swinging),),
}


def can_err(scene: Scene) -> bool:
    """Whether wrong physics is defined for the scene (clay is meant to stick)."""
    return scene.kind in MISTAKES and scene.params.get("material") != "clay"
