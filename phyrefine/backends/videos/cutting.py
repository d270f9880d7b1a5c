"""From what a service gave to native frames of the continuation: cut by comparing with the prefix.

Services give only new frames, or the prefix and new frames, or a re-encoded prefix and new frames,
at a rate of their own. A table would be wrong for the next version; the pictures tell.
"""

from __future__ import annotations

from attrs import frozen

from phyrefine.errors import GenerationError
from phyrefine.video.clip import Clip
from phyrefine.video.seam import count_repeated

# Received and expected counts may differ by this many frames.
ROUNDING = 2


@frozen
class Cut:
    """Where the continuation begins.

    Attributes:
        clip: The continuation at the rate received.
        repeated: Frames in front that were the prefix.
        how: How that was found, in words.
    """

    clip: Clip
    repeated: int
    how: str


def cut_continuation(received: Clip, prefix: Clip | None, *, seconds: float, sent: int) -> Cut:
    """The continuation in a received clip.

    Args:
        received: All frames as decoded, at the rate received.
        prefix: The frames that were sent, at the rate sent; ``None`` for text to video.
        seconds: Length asked for.
        sent: Frames that were sent.

    Raises:
        GenerationError: Less than half of what was asked for is left.
    """
    expected = round(seconds * received.fps)
    count, how = 0, "nothing repeats the prefix"
    if prefix is not None:
        count = count_repeated(prefix, received)
        if count:
            how = f"{count} frames repeat the prefix"
        elif sent > 1:
            given_back = round(sent / prefix.fps * received.fps)
            # In a scene that stands still a repeat cannot be seen, but it can be counted.
            if abs(len(received) - given_back - expected) <= ROUNDING and given_back > ROUNDING:
                count = len(received) - expected
                how = f"{len(received)} frames are prefix and continuation by their number"
    left = len(received) - count
    if left < max(1, expected // 2):
        raise GenerationError(
            f"The service gave {len(received)} frames at {received.fps:g} fps, of which {count} "
            f"repeat the prefix; {expected} new ones were asked for."
        )
    frames = received.frames[count : count + expected]
    return Cut(Clip(frames, received.fps, source=received.source), count, how)
