"""Controls that stand in every table: what a selector must beat, and the bound it cannot pass."""

from __future__ import annotations

import numpy as np

from benchmarks.world.arms.registry import Case, Cost, Picked, answer, arm


@arm("plain description")
def plain(case: Case) -> Picked:
    """One clip of the plain description: the mean over the draw, so that no seed is special."""
    numbers = tuple(range(len(case.pool.of("plain"))))
    return Picked(numbers, Cost.of_clips(1), prompt="plain")


@arm("one sample")
def one_sample(case: Case) -> Picked:
    """One clip of the pool's prompt: the mean over the draw, so that no seed is special."""
    return Picked(_all(case), Cost.of_clips(1))


@arm("random")
def random(case: Case) -> Picked:
    """An even draw: what any choice must beat. It equals one sample, at the pool's price."""
    return Picked(_all(case), Cost.of_clips(case.budget))


@arm("random in the moving half")
def random_moving(case: Case) -> Picked:
    """An even draw among the clips that move at least as much as the median."""
    motion = _motion(case)
    moving = np.flatnonzero(motion >= np.median(motion))
    return Picked(tuple(int(i) for i in moving), Cost.of_clips(case.budget))


@arm("most motion")
def most_motion(case: Case) -> Picked:
    """The clip that moves most."""
    return answer(Cost.of_clips(case.budget), _motion(case))


@arm("least motion")
def least_motion(case: Case) -> Picked:
    """The clip that moves least."""
    return answer(Cost.of_clips(case.budget), -_motion(case))


@arm("judge's pick")
def judge(case: Case) -> Picked:
    """The judge's highest score, from the stored answers."""
    scores = [row.seen.judge for row in case.pool.main]
    return answer(Cost.of_clips(case.budget, calls=case.budget), scores)


@arm("critic's pick")
def critic(case: Case) -> Picked:
    """The least severe critique, from the stored answers; a still clip comes last."""
    said = [row.seen.critique for row in case.pool.main]
    calls = sum(critique.looks for critique in said)
    scores = [-critique.severity - 100.0 * critique.still for critique in said]
    return answer(Cost.of_clips(case.budget, calls=calls), scores)


@arm("oracle (GROUND TRUTH)", truth=True)
def oracle(case: Case) -> Picked:
    """The best clip by ground truth."""
    scores = [row.truth.score for row in case.pool.main if row.truth is not None]
    return answer(Cost.of_clips(case.budget), scores)


def _all(case: Case) -> tuple[int, ...]:
    return tuple(range(len(case.pool.main)))


def _motion(case: Case) -> np.ndarray:
    return np.array([row.seen.motion for row in case.pool.main])
