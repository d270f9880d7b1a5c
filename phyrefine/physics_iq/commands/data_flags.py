"""Which data a benchmark is run on, and whether they are there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from attrs import frozen
from cyclopts import Parameter

if TYPE_CHECKING:
    from phyrefine.physics_iq.data.dataset import PhysicsIQ
    from phyrefine.physics_iq.data.layout import Edition


@Parameter(name="*")
@frozen
class DataFlags:
    """What it is measured against.

    Attributes:
        data: The benchmark's folder as downloaded, or the folder that holds it.
        edition: Which ground truth DATA is; by default taken from the folder's name.
        descriptions: Prompts; by default descriptions.csv beside the data.
        make_scenes: Render that many small scenes into DATA, a new folder, first.
        allow_made_masks: Verified: make masks at a rate without shipped ones (unofficial).
    """

    data: Path
    edition: Literal["original", "verified"] | None = None
    descriptions: Path | None = None
    make_scenes: int = 0
    allow_made_masks: bool = False

    def dataset(self, fps: int, edition: Edition | None = None) -> PhysicsIQ:
        """The data set, rendered at 30 FPS and ``fps`` if that was asked for.

        Args:
            fps: Frames per second of the clips.
            edition: What is rendered if the flags do not say.
        """
        from phyrefine.physics_iq.data.dataset import PhysicsIQ

        if self.make_scenes:
            from phyrefine.physics_iq.data.layout import Edition
            from phyrefine.physics_iq.synthetic.world_set import made_world_dataset

            which = Edition(self.edition or edition or Edition.ORIGINAL)
            made_world_dataset(self.data, scenes=self.make_scenes, fps=fps, edition=which)
        return PhysicsIQ.open(self.data, edition=self.edition, descriptions=self.descriptions)


def require_truth(dataset: PhysicsIQ, fps: int, *, allow_made_masks: bool) -> None:
    """See, without opening any, that the files to score with are there.

    Raises:
        InvalidInputError: They are not.
    """
    from phyrefine.errors import InvalidInputError
    from phyrefine.physics_iq.scoring.truth import GroundTruth, shortened

    absent = GroundTruth(dataset, fps, allow_made_masks=allow_made_masks).absent()
    if absent:
        raise InvalidInputError(
            f"{len(absent)} files to score with are missing or empty: {shortened(absent)}. Fetch "
            "them first, or generate only, with --shard 1/1."
        )
