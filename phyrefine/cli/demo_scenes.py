"""Scenes of the embedded world as scenarios with their truth kept apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.physics_iq.metrics.plain import PlainScore, plain_score
from phyrefine.select.pool import entries
from phyrefine.types import Refinement, Scenario
from phyrefine.video.clip import Clip
from phyrefine.video.frames import resize
from phyrefine.world.truth.scenes import (
    SEAM_SECONDS,
    Scene,
    describe,
    render,
    sample_scene,
    simulate,
)

FPS = 24.0
SIZE = (64, 48)  # width, height, as the renderer takes it
# Scores compare at the generator's own rate: held frames would count as missed motion.
SCORE_FPS = 8.0
SHEET_COLUMNS, SHEET_SCALE = 10, 2


@frozen
class Sample:
    """A scenario, and the truth that the loop never gets.

    Attributes:
        scene: What was simulated.
        scenario: What is asked.
        take1: The true continuation at ``SCORE_FPS``.
        take2: The same experiment again.
    """

    scene: Scene
    scenario: Scenario
    take1: Clip
    take2: Clip


def demo_scenes(kinds: Sequence[str], count: int, seed: int) -> list[Sample]:
    """Held-out scenes, the kinds in turn."""
    return [make_sample(kinds[index % len(kinds)], seed + index) for index in range(count)]


def make_sample(kind: str, seed: int) -> Sample:
    """One scene: its prefix goes into the scenario, both true continuations beside it."""
    scene = sample_scene(kind, seed)
    whole = _film(scene, 1, FPS)
    prefix = whole.seconds(0, SEAM_SECONDS)
    scenario = Scenario(describe(scene), prefix, name=f"{kind}-{seed}")
    takes = (_film(scene, take, SCORE_FPS).seconds(SEAM_SECONDS) for take in (1, 2))
    return Sample(scene, scenario, *takes)


def _film(scene: Scene, take: int, fps: float) -> Clip:
    return Clip(render(simulate(scene, take, fps=fps), SIZE), fps)


def score_parts(sample: Sample, clip: Clip) -> PlainScore:
    """Physics-IQ-style score of a continuation and its parts; needs the truth."""
    made = clip.as_made
    made = made if made.size == sample.take1.size else made.resize(*sample.take1.size)
    made = made.resample(SCORE_FPS, count=len(sample.take1))
    return plain_score(made, sample.take1, sample.take2)


def true_score(sample: Sample, clip: Clip) -> float:
    """The score of :func:`score_parts`, 0..100."""
    return score_parts(sample, clip).score


def true_scores(sample: Sample, refinement: Refinement) -> dict[str, float]:
    """:func:`true_score` of every clip, by ``"attempt.candidate"``."""
    return {
        entry.key: true_score(sample, entry.candidate.clip)
        for entry in entries(refinement.attempts)
    }


def contact_sheet(sample: Sample, refinement: Refinement) -> NDArray[np.uint8]:
    """Rows of native pixels over time: the truth first, then every clip; [H, W, 3] uint8."""
    clips = [sample.take1, *(entry.candidate.clip.as_made for entry in
                             entries(refinement.attempts))]  # fmt: skip
    rows = []
    for clip in clips:
        picked = np.linspace(0, len(clip) - 1, SHEET_COLUMNS).round().astype(int)
        frames = resize(clip.frames[picked], SIZE[1] * SHEET_SCALE, SIZE[0] * SHEET_SCALE)
        framed = np.pad(frames, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=255)
        rows.append(np.concatenate(list(framed), axis=1))
    sheet: NDArray[np.uint8] = np.concatenate(rows)
    return sheet
