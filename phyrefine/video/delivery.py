"""From a model's native frames to exactly what was asked for."""

from __future__ import annotations

from phyrefine.errors import VideoError
from phyrefine.video.clip import Clip

# Holding the last frame this long (in seconds) hides rounding; longer would fake a still ending.
MAX_HELD_SECONDS = 0.25


def deliver(native: Clip, *, frames: int, fps: float, size: tuple[int, int] | None) -> Clip:
    """Resample a continuation by time to the asked rate, count and size, keeping ``native``.

    Args:
        native: New frames only, as the model made them. Longer than needed is cut at the end.
        frames: Frames to deliver.
        fps: Rate to deliver.
        size: (height, width) to deliver; ``None`` keeps the native size.

    Raises:
        VideoError: ``native`` is too short by more than rounding explains.
    """
    wanted = frames / fps
    held = max(MAX_HELD_SECONDS, 1.0 / native.fps)
    if native.duration < wanted - held - 1e-6:
        raise VideoError(
            f"The model made {native.duration:.2f} s ({len(native)} frames at {native.fps:g} fps) "
            f"where {wanted:.2f} s were asked for."
        )
    clip = native.resample(fps, count=frames)
    if size is not None and clip.size != size:
        clip = native.resize(*size).resample(fps, count=frames)
    used = min(len(native), round(wanted * native.fps)) or 1
    kept = native if used == len(native) else Clip(native.frames[:used], native.fps)
    return Clip(clip.frames, fps, native=kept, source=native.source)
