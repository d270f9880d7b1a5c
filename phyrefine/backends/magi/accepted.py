"""Whether the accepted chunks of a shot fit the state they come with."""

from __future__ import annotations

import numpy as np

from phyrefine.backends.continuing.fitting import Fit
from phyrefine.errors import InvalidInputError
from phyrefine.types import Shot


def check_accepted(shot: Shot, fit: Fit, window_size: int) -> None:
    """Nothing to do for a shot without accepted chunks.

    Args:
        shot: With accepted chunks and the state of the last one.
        fit: Between the prefix's picture and the model's frame.
        window_size: Chunks that are denoised at once.

    Raises:
        InvalidInputError: The state is missing, or chunks have another size or number.
    """
    from phyrefine.magi.sampling.state import finished_chunks

    if not shot.accepted:
        return
    if shot.state is None:
        raise InvalidInputError(
            "MAGI-1 cannot go on from pixels alone: pass the state that came with the last "
            "accepted chunk as Shot.state."
        )
    height, width = fit.take(np.zeros((1, *fit.size, 3), np.uint8)).shape[1:3]
    for clip in shot.accepted:
        if clip.size != (height, width):
            raise InvalidInputError(
                f"An accepted chunk is {clip.width}x{clip.height} pixels; the native frames "
                f"of this continuation are {width}x{height}. Pass chunks as stream() gave them."
            )
    finished = finished_chunks(shot.state, window_size)
    if finished != len(shot.accepted):
        raise InvalidInputError(
            f"The state was given out with chunk {finished}, but {len(shot.accepted)} chunks "
            "were accepted. Pass the state of the last accepted chunk."
        )
