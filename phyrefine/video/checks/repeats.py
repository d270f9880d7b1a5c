"""How many first frames of a continuation repeat frames of its prefix.

A generator that gives its context back at the head of its output is the commonest mistake of an
adapter. A threshold on motion cannot find it in quiet scenes, so pictures are compared where
anything changes at all, after a change of brightness is taken out:

* a repeat is a run of frames equal to a run of the prefix that ends with its last frame, or begins
  with its first;
* periodic motion comes back to earlier pictures as well, but then the picture before the earlier
  run is the prefix's last one, and nothing jumps back.
"""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Gray levels a pixel must change by, over the prefix and the continuation, to count as active.
ACTIVE_LEVELS = 10.0
# ... and by this share of the largest change: the clearest movers decide.
CLEAR_SHARE = 0.3
# Active pixels that are compared at most; more add time and no certainty.
MOST_PIXELS = 4096
LEAST_PIXELS = 4
# Root mean square difference (gray levels) of equal pictures without a codec's noise.
EXACT = 1.5
# Equal pictures differ by at most this multiple of the noise of what stands still.
NOISE_FACTOR = 3.0
# ... or by this share of the motion in the prefix: a codec or a VAE blurs what moves.
COPY_SHARE = 0.25
# How much larger than the difference of equal pictures the motion within a run must be.
EVIDENCE = 3.0


@frozen
class _Distances:
    """Root mean square differences over the active pixels, in gray levels.

    Attributes:
        across: [C, P], between frames of the continuation and of the prefix.
        prefix: [P, P], between frames of the prefix.
        clip: [C, C], between frames of the continuation.
        noise: Of pixels that stand still.
    """

    across: FloatArray
    prefix: FloatArray
    clip: FloatArray
    noise: float


def repeated_frames(prefix: NDArray[np.float32], clip: NDArray[np.float32]) -> int:
    """Number of first frames of ``clip`` that repeat frames of ``prefix``.

    Args:
        prefix: float32 ``[P, H, W]``, gray levels 0..255, at the continuation's own rate.
        clip: float32 ``[C, H, W]``, same size.

    Returns:
        0 where nothing repeats, or where nothing moves and a repeat cannot be told.
    """
    if len(prefix) < 2 or not len(clip):
        return 0
    found = _distances(prefix, clip[: len(prefix) + 2])
    if found is None:
        return 0
    motion = float(np.quantile(found.prefix[:, -1], 0.75))
    limit = max(EXACT, NOISE_FACTOR * found.noise, COPY_SHARE * motion)
    return max(_of_tail(found, limit), _of_head(found, limit))


def _distances(prefix: NDArray[np.float32], clip: NDArray[np.float32]) -> _Distances | None:
    both = np.concatenate([prefix, clip])
    middle = np.median(prefix, axis=0)
    active = np.ptp(prefix, axis=0) > ACTIVE_LEVELS
    quiet = ~active
    lifted = clip.astype(np.float64)
    noise = 0.0
    if quiet.mean() > 0.1:
        # A VAE or a codec may change brightness: what stands still says by how much.
        shift = np.median(lifted[:, quiet] - middle[quiet], axis=1)
        lifted = lifted - shift[:, None, None]
        spread = lifted[:, quiet] - middle[quiet]
        noise = 1.4826 * float(np.median(np.abs(spread)))
    both = np.concatenate([prefix, lifted])
    swing = np.ptp(both, axis=0)
    active = swing > max(ACTIVE_LEVELS, 6 * noise, CLEAR_SHARE * float(np.quantile(swing, 0.999)))
    pixels = np.flatnonzero(active)
    if len(pixels) < LEAST_PIXELS:
        return None
    pixels = pixels[:: -(-len(pixels) // MOST_PIXELS)]
    one = prefix.reshape(len(prefix), -1)[:, pixels].astype(np.float64)
    two = lifted.reshape(len(lifted), -1)[:, pixels]
    return _Distances(_rms(two, one), _rms(one, one), _rms(two, two), noise)


def _rms(one: FloatArray, two: FloatArray) -> FloatArray:
    squares = (one**2).sum(1)[:, None] + (two**2).sum(1)[None] - 2 * one @ two.T
    distances: FloatArray = np.sqrt(np.maximum(squares, 0) / one.shape[1])
    return distances


def _of_tail(found: _Distances, limit: float) -> int:
    """Frames equal to the prefix's last ones, the most likely number."""
    count = len(found.prefix)
    best, at = np.inf, 0
    for length in range(1, min(count, len(found.across)) + 1):
        run = np.diagonal(found.across, offset=count - length)[:length]
        difference = float(run.max())
        # Held pictures fit several lengths equally well: the longest is the true one.
        if difference <= min(limit, best * 1.05 + 0.05) and _evident(found, length, difference):
            best, at = min(best, difference), length
    return at


def _evident(found: _Distances, length: int, difference: float) -> bool:
    """Whether so good a fit can be no accident: things move, and the pictures jump back."""
    last = len(found.prefix) - 1
    needed = EVIDENCE * max(difference, EXACT / 2)
    if length == 1:
        before = found.prefix[last - 1, last]
        after = found.clip[0, 1] if len(found.clip) > 1 else before
        # At a turning point the picture comes back too, but then so does the one before it.
        turned = found.across[1, last - 1] if len(found.clip) > 1 else before
        return bool(min(before, after, turned) > needed)
    back = found.prefix[last - length + 1 :, last]
    if float(np.sqrt((back**2).mean())) <= needed:
        return False
    # A swing that comes back had the seam's picture just before the run.
    earlier = last - length
    return earlier < 0 or bool(found.prefix[earlier, last] > needed / 2)


def _of_head(found: _Distances, limit: float) -> int:
    """Frames equal to the prefix's first ones, as where a model continues the wrong end."""
    shared = min(found.across.shape)
    run = np.diagonal(found.across)[:shared]
    wrong = np.flatnonzero(run > limit)
    length = int(wrong[0]) if len(wrong) else shared
    if length < 2:
        return 0
    needed = EVIDENCE * max(float(run[:length].max()), EXACT / 2)
    moved = found.prefix[0, :length].max()
    back = found.prefix[0, -1]
    return length if moved > needed and back > needed else 0
