"""Where the picture of a prefix lies in a model's frame, and how to get it back out.

A continuation must show the same part of the scene as its prefix, at the same scale, or the seam
shows a zoom. So what is done to the context is undone on what the model makes.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.errors import InvalidInputError
from phyrefine.video.clip import Clip
from phyrefine.video.delivery import deliver
from phyrefine.video.frames import fit_box, resize

UInt8Array = NDArray[np.uint8]
FitMode = Literal["pad", "stretch", "crop"]


def model_size(
    native: tuple[int, int], wanted: tuple[int, int] | None, *, multiple: int, fixed: bool
) -> tuple[int, int]:
    """(height, width) a model works at: its own, or its own area in the wanted aspect.

    Args:
        native: (height, width) the model was trained at.
        wanted: (height, width) whose aspect is wanted; ``None`` keeps the native size.
        multiple: Height and width are divisible by this.
        fixed: The model works at ``native`` only.
    """
    if fixed or wanted is None:
        return native
    area, aspect = native[0] * native[1], wanted[0] / wanted[1]
    height = max(multiple, round(math.sqrt(area * aspect) / multiple) * multiple)
    width = max(multiple, round(math.sqrt(area / aspect) / multiple) * multiple)
    return height, width


@frozen
class Fit:
    """How a picture sits in a model's frame.

    Attributes:
        size: (height, width) of the model.
        picture: (height, width) of the picture that is continued.
        box: (top, left, height, width) of the model's frame that shows it.
        mode: ``"pad"`` keeps the aspect and repeats the picture's border around it;
            ``"stretch"`` fills the frame whatever the aspect; ``"crop"`` fills it and loses what
            hangs over, so the continuation shows less of the scene than the prefix.
    """

    size: tuple[int, int]
    picture: tuple[int, int]
    box: tuple[int, int, int, int]
    mode: FitMode

    @classmethod
    def of(cls, picture: tuple[int, int], size: tuple[int, int], mode: FitMode = "pad") -> Fit:
        """Put a picture of (height, width) into a model's frame of ``size``.

        Raises:
            InvalidInputError: Unknown mode.
        """
        if mode not in ("pad", "stretch", "crop"):
            raise InvalidInputError(f"fit must be 'pad', 'stretch' or 'crop', not {mode!r}.")
        if mode == "stretch":
            return cls(size, picture, (0, 0, *size), mode)
        if mode == "crop":
            return cls(size, size, (0, 0, *size), mode)
        scale = min(size[0] / picture[0], size[1] / picture[1])
        height = min(size[0], max(1, round(picture[0] * scale)))
        width = min(size[1], max(1, round(picture[1] * scale)))
        return cls(
            size, picture, ((size[0] - height) // 2, (size[1] - width) // 2, height, width), mode
        )

    def put(self, frames: UInt8Array) -> UInt8Array:
        """uint8 [T, H, W, 3] of any size to the model's frame."""
        top, left, height, width = self.box
        inner = resize(frames, height, width, mode="fit" if self.mode == "crop" else "stretch")
        below, right = self.size[0] - top - height, self.size[1] - left - width
        padded: UInt8Array = np.pad(
            inner, ((0, 0), (top, below), (left, right), (0, 0)), mode="edge"
        )
        return padded

    def take(self, frames: UInt8Array) -> UInt8Array:
        """The picture's part of the model's frames: uint8 [T, h, w, 3], nothing resampled."""
        top, left, height, width = self.box
        return np.ascontiguousarray(frames[:, top : top + height, left : left + width])

    def deliver(
        self, native: Clip, *, frames: int, fps: float, size: tuple[int, int] | None
    ) -> Clip:
        """The asked frames, rate and size from native frames as :meth:`take` gives them.

        Raises:
            VideoError: ``native`` is too short.
        """
        if size is None or size == native.size:
            return deliver(native, frames=frames, fps=fps, size=None)
        top, left, height, width = fit_box(*self.picture, *size)
        down, across = native.height / self.picture[0], native.width / self.picture[1]
        rows = slice(round(top * down), max(round((top + height) * down), round(top * down) + 1))
        columns = slice(
            round(left * across), max(round((left + width) * across), round(left * across) + 1)
        )
        return deliver(
            native, frames=frames, fps=fps, size=size, mode="stretch", crop=(rows, columns)
        )
