"""From a model's native frames to exactly what was asked for."""

from __future__ import annotations

from phyrefine.errors import VideoError
from phyrefine.video.clip import Clip
from phyrefine.video.footage import Frames, refuse_too_large
from phyrefine.video.frames import resample_indices
from phyrefine.video.large.lazy import Derived, Framing, collected, is_large
from phyrefine.video.numbers import number, whole

# Holding the last frame this long (in seconds) hides rounding; longer would fake a still ending.
MAX_HELD_SECONDS = 0.25


def deliver(
    native: Clip,
    *,
    frames: int,
    fps: float,
    size: tuple[int, int] | None,
    mode: str = "fit",
    crop: tuple[slice, slice] | None = None,
) -> Clip:
    """Resample a continuation by time to the asked rate, count and size, keeping ``native``.

    The frames of a large result are not held but made from ``native`` whenever they are asked for.

    Args:
        native: New frames only, as the model made them. Longer than needed is cut at the end.
        frames: Frames to deliver.
        fps: Rate to deliver.
        size: (height, width) to deliver; ``None`` keeps the native size.
        mode: How another size is reached; see :meth:`~phyrefine.video.clip.Clip.resize`.
        crop: The rows and columns of ``native`` that are delivered; all by default.

    Raises:
        VideoError: ``native`` is too short by more than rounding explains, or the result would
            take too much memory.
    """
    fps = number(fps, "A frame rate", above=0, unit="frames per second")
    frames = whole(frames, "Frames", at_least=1)
    wanted = frames / fps
    held = max(MAX_HELD_SECONDS, 1.0 / native.fps)
    if native.duration < wanted - held - 1e-6:
        raise VideoError(
            f"The model made {native.duration:.2f} s ({len(native)} frames at {native.fps:g} fps) "
            f"where {wanted:.2f} s were asked for."
        )
    used = min(len(native), round(wanted * native.fps)) or 1
    kept = native if used == len(native) else Clip(native.take(range(used)), native.fps)
    framing = Framing(size or native.size, mode, crop)
    pixels = _framed(native, frames, fps, framing)
    return Clip(pixels, fps, native=kept, source=native.source)


def _framed(native: Clip, frames: int, fps: float, framing: Framing) -> Frames:
    changes = framing.crop is not None or framing.size != native.size
    if not changes and fps == native.fps and frames == len(native):
        return native.pixels
    remedy = "Ask for a smaller size or a lower rate."
    refuse_too_large(frames, framing.size, "The result", remedy)
    indices = resample_indices(len(native), native.fps, fps, frames)
    made = Derived(native.pixels, indices, framing if changes else None)
    return made if is_large(made.shape) else collected(made)
