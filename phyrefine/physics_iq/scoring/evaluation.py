"""A scored run, and what its numbers stand on."""

from __future__ import annotations

import attrs

from phyrefine.physics_iq.data.layout import SAMPLES, Edition
from phyrefine.physics_iq.scoring.results import ResultTable


@attrs.frozen
class Provenance:
    """What a result stands on.

    Attributes:
        edition: Ground truth it was measured against.
        fps: Frames per second.
        samples: How many were measured, of ``SAMPLES``.
        lossless: The lossy mask file was skipped: not the official number.
        made_masks: Real masks were made here rather than read.
        resampled: The footage was blended from 30 FPS.
    """

    edition: Edition
    fps: int
    samples: int = attrs.field(kw_only=True)
    lossless: bool = False
    made_masks: bool = False
    resampled: bool = False

    @property
    def official(self) -> bool:
        """Whether all was measured as the official program does.

        Original's masks may be made here: they equal the official ones, and Verified's do not.
        Resampled footage is not stored lossily in between, as the official program does.
        """
        made_up = self.made_masks and self.edition is Edition.VERIFIED
        return not (self.lossless or self.resampled or made_up)

    @property
    def quotable(self) -> bool:
        """Whether the number may be called the edition's: official, and of all samples."""
        return self.official and self.samples == SAMPLES


@attrs.frozen
class Evaluation:
    """A scored run.

    Attributes:
        table: The official result table.
        provenance: What it stands on.
    """

    table: ResultTable
    provenance: Provenance
