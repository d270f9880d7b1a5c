"""Wrong physics on purpose: clips whose captions stay truthful by leaving things out.

Only the ``priors`` variant of the generator sees these, in training. Mistakes go in both
directions: some take motion away (floating, sticking, vanishing, halting), some add it (too
lively, too fast, never at rest, doubled, jumping). Each begins in the first second after the seam
or later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import attrs
import numpy as np

from phyrefine.world.truth.physics import too_little, too_much
from phyrefine.world.truth.physics.scene import Scene
from phyrefine.world.truth.physics.trajectory import CLIP_SECONDS, SEAM_SECONDS, Trajectory

Rng = np.random.Generator
Direction = Literal["less", "more"]
Edit = Callable[[Trajectory, float, Rng], Trajectory]

EARLY_SECONDS = 1.0
_EARLY, _LATE = (0.0, 0.8), (1.2, 3.0)
# A clip that differs only this long after the seam shows no mistake worth the name.
_TOO_LATE = 4.5
# The fastest a mistake plays the rest of a clip: so much more must be simulated beforehand.
_LONGEST = SEAM_SECONDS + too_much.FASTEST * (CLIP_SECONDS - SEAM_SECONDS)


@attrs.frozen
class Mistake:
    """One kind of wrong outcome.

    Args:
        name: For example ``"floats"``.
        direction: Whether it takes motion away (``"less"``) or adds some (``"more"``).
        unsaid: The topics that a caption must then leave out.
        edit: Spoils a trajectory from about the given second of the clip on. What hangs on a
            contact waits for the next one.
        longer: Whether the edit reads beyond the clip's end and needs more simulated seconds.
    """

    name: str
    direction: Direction
    unsaid: frozenset[str]
    edit: Edit
    longer: bool = False

    @property
    def seconds(self) -> float:
        """Seconds of right physics to simulate before the edit."""
        return _LONGEST if self.longer else CLIP_SECONDS


@attrs.frozen
class Planted:
    """The record of a mistake in a clip.

    Args:
        name: The mistake's name.
        direction: ``"less"`` or ``"more"`` motion.
        start: Seconds after the seam at which the clip first differs from right physics.
        unsaid: Topics that are not true of the clip.
    """

    name: str
    direction: Direction
    start: float
    unsaid: frozenset[str]

    @property
    def early(self) -> bool:
        """Whether it begins in the first second after the seam."""
        return self.start < EARLY_SECONDS


_SOLID = frozenset({"solid"})
_HEIGHTS = frozenset({"rebound high", "rebound low", "no rebound", "decay"})
_AFTER_FALL = _HEIGHTS | {"rebound", "forward"}
_FALL = frozenset({"fall", "land", "arc", "rest"})
_AFTER_HIT = frozenset({"transfer", "friction"})
_PACE = frozenset({"steady", "fall", "arc", "forward", "approach", "roll", "swing", "friction"})

_FAST = Mistake("too fast", "more", _PACE | {"rest"}, too_much.speed_up, longer=True)
_DOUBLED = Mistake("doubled", "more", _SOLID, too_much.double)
_JUMPS = Mistake("jumps", "more", _PACE | {"surface"}, too_much.jump)
_BOUNCING = (
    Mistake("floats", "less", _FALL | _AFTER_FALL, too_little.float_in_air),
    Mistake("sticks", "less", _AFTER_FALL, too_little.stick),
    Mistake("vanishes", "less", _SOLID | _AFTER_FALL | {"rest"}, too_little.vanish),
    Mistake("too lively", "more", _HEIGHTS | {"rest"}, too_much.bounce_higher),
    Mistake("never at rest", "more", _HEIGHTS | {"rest"}, too_much.bounce_forever),
    _FAST,
    _DOUBLED,
    _JUMPS,
)

MISTAKES: dict[str, tuple[Mistake, ...]] = {
    "drop": _BOUNCING,
    "projectile": _BOUNCING,
    "collision": (
        Mistake("passes through", "less", _AFTER_HIT | {"contact"}, too_little.pass_through),
        Mistake("sticks", "less", _AFTER_HIT, too_little.stick),
        Mistake("vanishes", "less", _SOLID | {"transfer"}, too_little.vanish),
        Mistake("halts", "less", _AFTER_HIT | {"approach"}, too_little.halt),
        Mistake("too lively", "more", _AFTER_HIT, too_much.hit_harder),
        _FAST,
        _DOUBLED,
        _JUMPS,
    ),
    "incline": (
        Mistake("halts", "less", frozenset({"roll", "floor", "friction"}), too_little.halt),
        Mistake("vanishes", "less", _SOLID, too_little.vanish),
        Mistake("never at rest", "more", frozenset({"roll", "floor", "friction"}),
                too_much.roll_back),
        _FAST,
        _DOUBLED,
        _JUMPS,
    ),
    "pendulum": (
        Mistake("halts", "less", frozenset({"swing", "fastest", "height"}), too_little.halt),
        Mistake("vanishes", "less", _SOLID, too_little.vanish),
        Mistake("never at rest", "more", frozenset({"height", "swing"}), too_much.swing_higher),
        _FAST,
        _DOUBLED,
        Mistake("jumps", "more", _PACE | {"fastest", "height"}, too_much.jump),
    ),
}  # fmt: skip


def can_err(scene: Scene) -> bool:
    """Whether wrong physics is defined for the scene (clay is meant to stick)."""
    return scene.kind in MISTAKES and scene.params.get("material") != "clay"


def draw_mistake(scene: Scene, rng: Rng) -> Mistake:
    """A mistake of the scene's kind: either direction is as likely, then each of its mistakes.

    Raises:
        KeyError: The kind has no mistakes (see ``can_err``).
    """
    direction: Direction = "less" if rng.random() < 0.5 else "more"
    possible = [one for one in MISTAKES[scene.kind] if one.direction == direction]
    return possible[int(rng.integers(len(possible)))]


def plant(
    right: Trajectory, mistake: Mistake, rng: Rng, *, early: bool | None = None
) -> tuple[Trajectory, Planted]:
    """Spoil a clip and record how.

    Args:
        right: Right physics, ``mistake.seconds`` long at 40 or more samples a second.
        mistake: What goes wrong.
        rng: Source of every choice.
        early: Whether it shall begin in the first second after the seam; by default either is
            as likely. A mistake that waits for a contact may begin later or earlier than asked:
            the record says when.

    Returns:
        The spoiled clip of 8 s, and the record.
    """
    soon = bool(rng.random() < 0.5) if early is None else early
    wrong, start = _spoil(right, mistake, rng, _EARLY if soon else _LATE)
    if start > _TOO_LATE:  # For example: it sticks when it already lies still.
        wrong, start = _spoil(right, mistake, rng, _EARLY)
    return wrong, Planted(mistake.name, mistake.direction, round(start, 3), mistake.unsaid)


def _spoil(
    right: Trajectory, mistake: Mistake, rng: Rng, moments: tuple[float, float]
) -> tuple[Trajectory, float]:
    """The spoiled clip, and when after the seam it first differs from the right one."""
    onset = SEAM_SECONDS + float(rng.uniform(*moments))
    wrong = _cut(mistake.edit(right, onset, rng))
    return wrong, first_difference(_cut(right), wrong) - SEAM_SECONDS


def _cut(trajectory: Trajectory) -> Trajectory:
    return trajectory.before(CLIP_SECONDS)


def first_difference(right: Trajectory, wrong: Trajectory) -> float:
    """Second of the first sample whose bodies differ visibly; the clip's end if none does."""
    names = [body.name for body in right.bodies]
    changed = np.zeros(len(right.times), dtype=bool)
    for body in wrong.bodies:
        if body.name not in names:
            changed |= body.opacity > 0.05
            continue
        true = right.body(body.name)
        changed |= np.abs(body.centre - true.centre).max(axis=1) > 0.02
        changed |= np.abs(body.opacity - true.opacity) > 0.05
    return float(right.times[np.argmax(changed)]) if changed.any() else CLIP_SECONDS
