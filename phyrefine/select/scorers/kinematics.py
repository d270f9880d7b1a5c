"""Kinematics of frozen features (GeoPhys): how regularly a clip moves through feature space.

Unproven: marked so until a rank correlation with truth says otherwise. The statistics are
symmetric in time, so that a clip played backward is not caught, and two of the raw five are the
amount of motion itself, so that they choose the clip that moves least.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray

from phyrefine.protocols import identity
from phyrefine.select.combining.ranks import rank_sums
from phyrefine.types import Pool, PoolScores
from phyrefine.video.clip import Clip
from phyrefine.video.recent import Recent
from phyrefine.video.thumbnails import group_of, thumbnails

Features = NDArray[np.float32]
# Steps shorter than this share of the median step have no direction.
NO_STEP = 1e-6
# Fewer angles say nothing of curvature.
FEWEST_ANGLES = 3
# The predictor of the residual: a straight line through this many points, one step on.
WINDOW = 4
SMALL = (24, 32)

RAW = ("speed_variation", "curvature", "angle_variation", "acceleration", "residual")
NORMALIZED = ("speed_variation_normalized", "curvature", "angle_variation")
EVERY = (*RAW, "speed_variation_normalized", "acceleration_normalized", "residual_normalized")


class FrameEncoder(Protocol):
    """A frozen image encoder."""

    def encode(self, frames: NDArray[np.uint8], /) -> Features:
        """uint8 [T, H, W, 3], RGB, to float32 [T, d]: one pooled feature per frame."""
        ...


@frozen
class PixelEncoder:
    """No weights: the frame itself, 24 by 32 gray pixels, scaled to 0..1."""

    @property
    def identity(self) -> str:
        """What is encoded."""
        return "gray pixels 24x32"

    def encode(self, frames: NDArray[np.uint8]) -> Features:
        """float32 [T, 768]."""
        gray = thumbnails(Clip(frames, 1.0), SMALL).gray / np.float32(255.0)
        return gray.reshape(len(gray), -1)


def statistics(features: NDArray[np.floating], *, window: int = WINDOW) -> dict[str, float]:
    """The five statistics of a path through feature space, raw and normalized by mean speed.

    With v(t) = z(t+1) - z(t): standard deviation of the speed, mean and standard deviation of the
    angle between successive steps, mean norm of z(t+2) - 2 z(t+1) + z(t), and mean norm of the
    error of a straight line through the last ``window`` points, one step on. Larger is less
    regular. NaN where there are too few points, or fewer than three angles.

    Args:
        features: [T, d].
        window: Points of the predictor, at least 2; with 2 the residual is the acceleration.
    """
    z = np.asarray(features, np.float64)
    v = np.diff(z, axis=0)
    speed = np.linalg.norm(v, axis=1)
    angles = _angles(v, speed)
    mean = float(speed.mean()) if len(speed) else float("nan")
    bent = len(angles) >= FEWEST_ANGLES
    found = {
        "speed_variation": float(speed.std()) if len(speed) else float("nan"),
        "curvature": float(angles.mean()) if bent else float("nan"),
        "angle_variation": float(angles.std()) if bent else float("nan"),
        "acceleration": _mean_norm(z[2:] - 2 * z[1:-1] + z[:-2]),
        "residual": _mean_norm(z[window:] - _predicted(z, window)),
    }
    for name in ("speed_variation", "acceleration", "residual"):
        found[f"{name}_normalized"] = found[name] / mean if mean > 0 else float("nan")
    return found


def _angles(v: NDArray[np.float64], speed: NDArray[np.float64]) -> NDArray[np.float64]:
    moving = speed > NO_STEP * max(float(np.median(speed)), 1e-30) if len(speed) else speed > 0
    pairs = moving[:-1] & moving[1:]
    dots = (v[:-1] * v[1:]).sum(axis=1)[pairs]
    cosines = dots / (speed[:-1] * speed[1:])[pairs]
    angles: NDArray[np.float64] = np.arccos(np.clip(cosines, -1.0, 1.0))
    return angles


def _predicted(z: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Least-squares line through each ``window`` points, at the next: [T - window, d]."""
    at = np.arange(window) - (window - 1) / 2
    ahead = (window + 1) / 2
    weights = 1.0 / window + at * ahead / (at**2).sum()
    count = max(0, len(z) - window)
    if not count:
        return np.zeros((0, z.shape[1]))
    return np.asarray(sum(weights[k] * z[k : k + count] for k in range(window)))


def _mean_norm(rows: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(rows, axis=1).mean()) if len(rows) else float("nan")


@frozen
class Kinematics:
    """Rank sum of the statistics, more regular motion first; unproven.

    Features are averaged to about 8 per second first: at higher rates camera noise turns the sign
    of the angles around. Only clips of one generator, decoded alike, can be compared.

    Attributes:
        encoder: Gives the features.
        signals: ``"normalized"``: speed variation over mean speed, curvature, angle variation;
            ``"raw"``: the five of GeoPhys; or one of :data:`EVERY`.
        name: Under which the scores are recorded.
    """

    encoder: FrameEncoder = field(factory=PixelEncoder)
    signals: str = field(
        default="normalized", validator=validators.in_(("normalized", "raw", *EVERY))
    )
    name: str = "kinematics"

    def score_pool(self, pool: Pool) -> PoolScores:
        """Mean rank over the signals, with its sign turned; one signal gives its own value."""
        found = {
            entry.key: statistics(clip_features(self.encoder, entry.candidate.clip.as_made))
            for entry in pool.entries
        }
        signals = {"normalized": NORMALIZED, "raw": RAW}.get(self.signals, (self.signals,))
        scores = [{key: -stats[signal] for key, stats in found.items()} for signal in signals]
        if len(scores) == 1:
            return PoolScores(scores[0])
        silent = {key for key in pool.keys if all(np.isnan(one[key]) for one in scores)}
        ranks = rank_sums(scores, (1.0,) * len(scores), pool.keys)
        values = {key: float("nan") if key in silent else -rank for key, rank in ranks.items()}
        return PoolScores(values)


_remembered: Recent[Features] = Recent(256)


def clip_features(encoder: FrameEncoder, clip: Clip) -> Features:
    """One feature per 1/8 s or so, float32 [T, d]; remembered by clip and encoder."""

    def encode() -> Features:
        every = encoder.encode(clip.frames)
        group = group_of(clip.fps)
        count = max(1, len(every) // group)
        parts = np.array_split(every[: count * group], count)
        return np.stack([part.mean(axis=0) for part in parts]).astype(np.float32)

    return _remembered.get((identity(encoder), clip.digest), encode)
