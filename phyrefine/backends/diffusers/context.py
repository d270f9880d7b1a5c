"""The frames of a prefix that a family of pipelines is conditioned on."""

from __future__ import annotations

from phyrefine.backends.continuing.chunking import COLOR_FRAMES, UInt8Array
from phyrefine.backends.diffusers.families.spec import FamilySpec
from phyrefine.errors import InvalidInputError
from phyrefine.video.clip import Clip
from phyrefine.video.prefix import context


def prefix_frames(spec: FamilySpec, prefix: Clip | None) -> UInt8Array | None:
    """uint8 [T, H, W, 3]: the newest frames of the prefix at the model's rate.

    As many as the family can use, and enough to take colors from; ``None`` for a text-only
    family, and for text to video.

    Raises:
        InvalidInputError: The family needs a prefix, or a longer one.
    """
    most = max(spec.contexts)
    if most == 0:
        return None
    if prefix is None and not spec.needs_prefix:
        return None
    if prefix is None:
        raise InvalidInputError(
            f"{spec.name} continues an image or a video; this shot has no prefix. Use a "
            "text-to-video pipeline, or give the scenario a prefix."
        )
    frames = context(prefix, fps=spec.fps, frames=max(most, COLOR_FRAMES)).frames
    if len(frames) < min(spec.contexts):
        raise InvalidInputError(
            f"The prefix of {prefix.duration:.2f} s gives {len(frames)} frames at {spec.fps:g} "
            f"fps; {spec.name} needs at least {min(spec.contexts)}. Pass a longer prefix."
        )
    return frames


def context_count(spec: FamilySpec, available: int) -> int:
    """The best number of context frames that ``available`` frames allow."""
    return next(count for count in spec.contexts if count <= available)
