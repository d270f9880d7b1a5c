"""What only the truth side knows of a clip: its score, and whether it is truly wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import frozen

from benchmarks.world.scenes import SceneId, sample_of
from phyrefine.video.clip import Clip


@frozen
class Truth:
    """Physics-IQ-style score of a clip (0..100), its parts, and the verdict on it."""

    score: float
    spatial: float
    temporal: float
    weighted: float
    mse: float
    wrong: bool


def hold_against_truth(scene: SceneId, clip: Clip) -> Truth:
    """Score a continuation; the truth never reaches an arm."""
    from phyrefine.cli.demo_scenes import score_parts

    sample = sample_of(scene)
    parts = score_parts(sample, clip)
    return Truth(parts.score, parts.spatial_iou, parts.spatiotemporal_iou,
                 parts.weighted_spatial_iou, parts.mse, _wrong(sample, clip))  # fmt: skip


def _wrong(sample: Any, clip: Clip) -> bool:
    """The objects' places overlap less than half as well as a second take's do, or what should
    be there at the end is gone.
    """
    from phyrefine.world.truth.scenes import simulate
    from phyrefine.world.truth.training.evaluate import backdrop, measure

    background = backdrop(simulate(sample.scene, fps=8.0))
    takes = [np.asarray(take.frames) for take in (sample.take1, sample.take2)]
    made = clip.as_made.frames[: len(takes[0])]
    mine = measure(sample.scene, made, takes[0], background)
    other = measure(sample.scene, takes[1], takes[0], background)
    gone = mine.permanence == 0 and other.permanence != 0
    return bool(mine.spatial_iou < 0.5 * other.spatial_iou or gone)
