"""Scorers with weights, behind the protocols of ``phyrefine.protocols``; loaded on use.

Both are unproven: marked so until a rank correlation with truth says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping

from phyrefine.protocols import VLM, PoolScorer
from phyrefine.select.table import NamedScorer


def _kinematics(_vlm: VLM, model: str | None) -> PoolScorer:
    from phyrefine.backends.scorers.encoders import TransformersEncoder
    from phyrefine.select.scorers.kinematics import Kinematics

    return Kinematics() if model is None else Kinematics(TransformersEncoder.from_spec(model))


def _vjepa2(_vlm: VLM, model: str | None) -> PoolScorer:
    from phyrefine.backends.scorers.vjepa2 import CHECKPOINT, VJEPA2Surprise

    return VJEPA2Surprise.from_spec(model or CHECKPOINT)


WEIGHTED: Mapping[str, NamedScorer] = {
    row.name: row
    for row in (
        NamedScorer(
            "vjepa2",
            "the least surprise of V-JEPA 2 (WMReward's reward)",
            "unproven",
            _vjepa2,
            costs="an encoder pass and a half per 16 frames; published: 1.5 s, 9 GB with ViT-g",
            takes_model=True,
        ),
        NamedScorer(
            "kinematics",
            "the most regular motion of an image encoder's features (GeoPhys), normalized",
            "unproven",
            _kinematics,
            costs="an encoder pass per frame",
            takes_model=True,
        ),
    )
}
