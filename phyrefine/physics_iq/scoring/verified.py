"""The score of Physics-IQ Verified (arXiv 2606.18943): every sample and metric weighs the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import attrs
import numpy as np
from numpy.typing import NDArray

from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.scoring.results import ResultTable, mean_of_known, mean_rounded

METRICS = ("spatial", "weighted_spatial", "spatiotemporal", "mse")
_T = TypeVar("_T")
_EPSILON = 1e-8  # keeps a variance of 0 from dividing


@attrs.frozen
class SampleScore:
    """One scene from one camera.

    Attributes:
        scene: Scene name.
        view: Camera.
        raw: Ratio to the variance, for each of ``METRICS``; may exceed 1.
        score: Mean of the ratios clipped to [0, 1]; NaN if one is.
    """

    scene: str
    view: str
    raw: Mapping[str, float]
    score: float

    @property
    def clipped(self) -> dict[str, float]:
        """The ratios in [0, 1]."""
        return {metric: float(np.clip(value, 0.0, 1.0)) for metric, value in self.raw.items()}


@attrs.frozen
class VerifiedScore:
    """Score and parts.

    Attributes:
        score: 0 to 1: mean over all samples. Times 100, the number of the leaderboard.
        metrics: Mean clipped ratio of each of ``METRICS``.
        samples: Every sample, scene by scene.
    """

    score: float
    metrics: Mapping[str, float]
    samples: tuple[SampleScore, ...]


def verified_score(table: ResultTable) -> VerifiedScore:
    """Score a table.

    Per-frame values are rounded to four decimals first, as the official reader does; in quiet
    scenes that is coarse and moves the squared-error part.

    Raises:
        InvalidInputError: No rows, a column missing, or frame counts that differ between scenes.
    """
    if not table.scenes:
        raise InvalidInputError("The result table has no rows.")
    by_view = {view: _view_samples(table, view) for view in table.views()}
    samples = tuple(
        by_view[view][row] for row in range(len(table.scenes)) for view in table.views()
    )
    return VerifiedScore(
        score=mean_of_known([sample.score for sample in samples]),
        metrics={
            metric: mean_of_known([sample.clipped[metric] for sample in samples])
            for metric in METRICS
        },
        samples=samples,
    )


def sample_ratios(
    spatial: tuple[float, float],
    weighted: tuple[float, float],
    spatiotemporal: tuple[float, float],
    mse: tuple[float, float],
) -> dict[str, float]:
    """Ratio of a clip's value to the takes' for each metric: (value, variance) pairs.

    The squared error is inverted, so that more is better everywhere.
    """
    error = np.float64(mse[0]) / (np.float64(mse[1]) + _EPSILON)
    with np.errstate(divide="ignore"):
        return {
            "spatial": spatial[0] / (spatial[1] + _EPSILON),
            "weighted_spatial": weighted[0] / (weighted[1] + _EPSILON),
            "spatiotemporal": spatiotemporal[0] / (spatiotemporal[1] + _EPSILON),
            "mse": float(np.float64(1.0) / error),
        }


def _view_samples(table: ResultTable, view: str) -> list[SampleScore]:
    spatial = _pairs(table, "spatial_iou_v1", "variance_spatial", view)
    weighted = _pairs(table, "weighted_spatial_iou_v1", "variance_weighted_spatial", view)
    timed = _mean_pairs(table, "spatiotemporal_iou_v1", "variance_spatiotemporal_iou", view)
    errors = _mean_pairs(table, "v1_mse", "variance_mse", view)
    samples = []
    for row, scene in enumerate(table.scenes):
        raw = sample_ratios(spatial[row], weighted[row], timed[row], errors[row])
        score = float(np.mean([np.clip(raw[metric], 0.0, 1.0) for metric in METRICS]))
        samples.append(SampleScore(scene, view, raw, score))
    return samples


def _pairs(table: ResultTable, value: str, variance: str, view: str) -> list[tuple[float, float]]:
    return list(
        zip(
            _present(table.numbers(value, view), value, view),
            _present(table.numbers(variance, view), variance, view),
            strict=True,
        )
    )


def _mean_pairs(
    table: ResultTable, value: str, variance: str, view: str
) -> list[tuple[float, float]]:
    means: list[NDArray[np.float64]] = []
    for stem in (value, variance):
        lists = _present(table.lists(stem, view), stem, view)
        if len({len(row) for row in lists}) > 1:
            counts = sorted({len(row) for row in lists})
            raise InvalidInputError(f"{stem}_{view} has different frame counts: {counts}.")
        means.append(np.array([mean_rounded(row) for row in lists]))
    return [(float(a), float(b)) for a, b in zip(*means, strict=True)]


def _present(column: tuple[_T, ...] | None, stem: str, view: str) -> tuple[_T, ...]:
    if column is None:
        raise InvalidInputError(f"The result table lacks {stem}_{view}.")
    return column
