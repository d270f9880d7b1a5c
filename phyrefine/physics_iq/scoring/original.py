"""The score of Physics-IQ Original (arXiv 2501.09038), with the official rounding.

Three ratios of IoUs to what two real takes reach, averaged, minus the excess of the squared error
over that between the takes, times 100. Per-frame values are rounded to four decimals when read,
the variances again after averaging, the score to two; all of it changes the last printed digit.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np

from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.scoring.results import ResultTable, mean_of_known, rounded


@attrs.frozen
class OriginalScore:
    """Score and parts. Means are over scenes, views and frames.

    Attributes:
        score: 0 to 100, two decimals: the number of the leaderboard.
        unclipped: The same before clipping and rounding.
        mse: Mean squared error.
        spatiotemporal_iou: Mean.
        spatial_iou: Mean.
        weighted_spatial_iou: Mean.
        variance_mse: Of two real takes, rounded to 4 decimals unless ``exact``.
        variance_spatiotemporal_iou: Of two real takes, 4 decimals.
        variance_spatial: Of two real takes, 5 decimals.
        variance_weighted_spatial: Of two real takes, 4 decimals.
        physical_variance: Sum of the three similarities minus the error, 4 decimals.
    """

    score: float
    unclipped: float
    mse: float
    spatiotemporal_iou: float
    spatial_iou: float
    weighted_spatial_iou: float
    variance_mse: float
    variance_spatiotemporal_iou: float
    variance_spatial: float
    variance_weighted_spatial: float
    physical_variance: float

    @property
    def ratios(self) -> dict[str, float]:
        """Spatiotemporal, spatial and weighted ratio, and the difference of errors."""
        return {
            "spatiotemporal": _divide(self.spatiotemporal_iou, self.variance_spatiotemporal_iou),
            "spatial": _divide(self.spatial_iou, self.variance_spatial),
            "weighted_spatial": _divide(self.weighted_spatial_iou, self.variance_weighted_spatial),
            "mse": self.mse - self.variance_mse,
        }


def original_score(table: ResultTable, *, exact: bool = False) -> OriginalScore:
    """Score a table.

    Args:
        table: Results of one run.
        exact: Do not round the variances before dividing (the newer package's spelling).

    Returns:
        The score; NaN or unclipped infinities where a variance is 0, as in the official program.

    Raises:
        InvalidInputError: The table has no rows, or lacks a column of the generated clips.
    """
    if not table.scenes:
        raise InvalidInputError("The result table has no rows.")
    keep: Callable[[float, int], float] = (lambda value, _: value) if exact else _numpy_round
    values = {
        "mse": _scene_first(table, "v1_mse"),
        "spatiotemporal_iou": _scene_first(table, "spatiotemporal_iou_v1"),
        "spatial_iou": _scalars(table, "spatial_iou_v1", by_scene=exact),
        "weighted_spatial_iou": _scalars(table, "weighted_spatial_iou_v1", by_scene=exact),
    }
    variances = {
        "variance_mse": keep(_view_first(table, "variance_mse"), 4),
        "variance_spatiotemporal_iou": keep(_view_first(table, "variance_spatiotemporal_iou"), 4),
        "variance_spatial": keep(
            _scalars(table, "variance_spatial", optional=True, by_scene=exact), 5
        ),
        "variance_weighted_spatial": keep(
            _scalars(table, "variance_weighted_spatial", optional=True, by_scene=exact), 4
        ),
    }
    total = (
        variances["variance_spatiotemporal_iou"]
        + variances["variance_spatial"]
        + variances["variance_weighted_spatial"]
        - variances["variance_mse"]
    )
    parts = OriginalScore(
        score=0.0, unclipped=0.0, **values, **variances, physical_variance=_numpy_round(total, 4)
    )
    ratios = parts.ratios
    mean = (ratios["spatiotemporal"] + ratios["spatial"] + ratios["weighted_spatial"]) / 3
    raw = 100 * (mean - ratios["mse"])
    return attrs.evolve(
        parts, unclipped=raw, score=_numpy_round(float(np.clip(raw, 0.0, 100.0)), 2)
    )


def _scene_first(table: ResultTable, stem: str) -> float:
    """Mean over the pooled views and frames of each scene, then over scenes."""
    views = [table.lists(stem, view) for view in table.views()]
    if None in views:
        raise InvalidInputError(f"The result table lacks {stem} for some view.")
    pooled = [
        [value for lists in views if lists is not None for value in rounded(lists[row])]
        for row in range(len(table.scenes))
    ]
    return float(np.mean([np.mean(values) for values in pooled]))


def _view_first(table: ResultTable, stem: str) -> float:
    """Mean over the pooled scenes and frames of each view that has the column, then views."""
    means = []
    for view in table.views():
        lists = table.lists(stem, view)
        if lists is not None:
            means.append(np.mean([value for row in lists for value in rounded(row)]))
    return float(np.mean(means)) if means else float("nan")


def _scalars(
    table: ResultTable, stem: str, *, optional: bool = False, by_scene: bool = False
) -> float:
    """Mean over scenes of each view, then views; the other way round with ``by_scene``.

    The order matters only where a cell is unknown, and there the two programs differ.
    """
    columns = []
    for view in table.views():
        numbers = table.numbers(stem, view)
        if numbers is None and not optional:
            raise InvalidInputError(f"The result table lacks {stem}_{view}.")
        if numbers is not None:
            columns.append(numbers)
    if not columns:
        return float("nan")
    if by_scene:
        return mean_of_known([mean_of_known(group) for group in zip(*columns, strict=True)])
    # A view without any known value leaves no mean, in the first program.
    return float(np.mean([mean_of_known(column) for column in columns]))


def _numpy_round(value: float, digits: int) -> float:
    # Scale, round half to even, unscale: differs from round() in near-ties.
    return float(np.round(np.float64(value), digits))


def _divide(a: float, b: float) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.float64(a) / np.float64(b))
