"""A clip as a service takes it: still images dense around motion, or an encoded file."""

from __future__ import annotations

import base64
import io
import itertools
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from phyrefine._optional import require
from phyrefine.video.clip import Clip
from phyrefine.video.frames import resize

T = TypeVar("T")
UInt8Array = NDArray[np.uint8]

# Work size for measuring motion; every n-th pixel of a longer side of about this many.
MOTION_PIXELS = 96
# Half of the frames go where time passes, half where things move.
MOTION_SHARE = 0.5
# The generated part is what is judged: it gets this many times the frames per second.
MADE_WEIGHT = 2.0
# Most failures begin in the first fifth of a rollout: the seconds after the seam that are sampled
# at least so many times as densely as what follows.
EARLY_SECONDS = 1.0
EARLY_RATE = 2.0


@frozen
class Still:
    """One frame of a clip, encoded.

    Attributes:
        seconds: When it is shown, on the clip's clock.
        jpeg: The picture.
    """

    seconds: float
    jpeg: bytes

    @property
    def data_url(self) -> str:
        """The picture as a ``data:`` URL."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode()


def frame_count(clip: Clip, fps: float, most: int) -> int:
    """How many frames stand for a clip: ``fps`` of them per second, within ``most``."""
    return max(1, min(len(clip), most, math.ceil(clip.duration * min(fps, clip.fps) - 1e-6)))


def chosen_frames(clip: Clip, count: int, *, seam: float | None = None) -> list[int]:
    """``count`` frames of a clip, dense where things move and after the seam.

    The first and the last frame and both sides of the seam are always among them. The first
    second after the seam gets at least twice the frames per second of what follows, as far as
    the clip has them. With every frame equally still the choice is even in time elsewhere.

    Args:
        clip: The video.
        count: Frames wanted, at most ``len(clip)``.
        seam: Seconds at which the generated part begins.

    Returns:
        Increasing frame numbers, exactly ``min(count, len(clip))`` of them.
    """
    total = len(clip)
    if count >= total:
        return list(range(total))
    cut = None if seam is None else min(max(round(seam * clip.fps), 1), total - 1)
    weight = _weights(clip, cut)
    picked = set(_anchors(total, count, cut))
    reach = np.concatenate([[0.0], np.cumsum(weight)])
    _fill(picked, reach, count)
    if cut is not None:
        picked = _early_first(picked, reach, cut, cut + round(EARLY_SECONDS * clip.fps))
    return sorted(picked)


def _fill(picked: set[int], reach: NDArray[np.float64], count: int) -> None:
    """Add frames between the picked ones until there are ``count``.

    Greedy: the next frame goes into the heaviest stretch between two chosen ones.
    """
    while len(picked) < count:
        known = sorted(picked)
        gaps = [(reach[b] - reach[a], a, b) for a, b in itertools.pairwise(known)]
        _, low, high = max((gap for gap in gaps if gap[2] - gap[1] > 1), key=lambda gap: gap[0])
        half = (reach[low] + reach[high]) / 2
        middle = int(np.searchsorted(reach, half))
        picked.add(min(max(middle, low + 1), high - 1))


def _early_first(picked: set[int], reach: NDArray[np.float64], cut: int, border: int) -> set[int]:
    """As many frames, but from ``cut`` to ``border`` at ``EARLY_RATE`` times the later rate.

    Unchanged where motion already asks for more, or where so few frames are shown after the
    seam that there is no rate to speak of.
    """
    total = len(reach)
    made = sum(number >= cut for number in picked)
    early, late = border - cut, total - border
    if late < 2 or made < 4:
        return picked
    share = EARLY_RATE * early / (EARLY_RATE * early + late)
    wanted = min(early, math.ceil(made * share), made - 1)
    if sum(cut <= number < border for number in picked) >= wanted:
        return picked
    first, rest = {cut, border - 1}, {border - 1, total - 1}
    _fill(first, reach, wanted)
    _fill(rest, reach, made - wanted + 1)
    return {number for number in picked if number < cut} | first | rest


def _anchors(total: int, count: int, cut: int | None) -> list[int]:
    wanted = [total - 1] if cut is None else [total - 1, cut, cut - 1]
    ordered = [0, *wanted]
    return ordered[:count] if count > 1 else [total - 1]


def _weights(clip: Clip, cut: int | None) -> NDArray[np.float64]:
    """float64 [T-1]: how much each step from frame to frame deserves to be seen."""
    stride = max(1, max(clip.size) // MOTION_PIXELS)
    few = np.stack([frame[::stride, ::stride] for frame in clip.each()])
    small = few.astype(np.float32).mean(axis=3)
    motion = np.abs(np.diff(small, axis=0)).mean(axis=(1, 2)).astype(np.float64)
    even = np.full(len(motion), 1.0 / len(motion))
    share = motion / motion.sum() if motion.sum() > 0 else even
    weight = (1 - MOTION_SHARE) * even + MOTION_SHARE * share
    if cut is not None:
        weight[cut:] *= MADE_WEIGHT
    return weight


def within_side(size: tuple[int, int], side: int | None) -> tuple[int, int]:
    """``size`` shrunk so that its longer side is at most ``side``; even numbers."""
    longer = max(size)
    if side is None or longer <= side:
        return size
    height, width = (max(2, round(length * side / longer / 2) * 2) for length in size)
    return height, width


def shown_frames(
    clip: Clip, count: int, *, side: int | None, seam: float | None = None
) -> Iterator[tuple[float, UInt8Array]]:
    """Seconds and pixels (uint8 [H, W, 3], shrunk to ``side``) of the chosen frames."""
    height, width = within_side(clip.size, side)
    numbers = list(chosen_frames(clip, count, seam=seam))
    frames = resize(clip.take(numbers), height, width, mode="stretch")
    for number, frame in zip(numbers, frames, strict=True):
        yield number / clip.fps, frame


def stills(clip: Clip, count: int, *, side: int | None, seam: float | None = None) -> list[Still]:
    """The chosen frames as JPEG, with their times."""
    pil = require("PIL.Image", extra="openai", feature="Sending frames as images")
    out = []
    for seconds, frame in shown_frames(clip, count, side=side, seam=seam):
        buffer = io.BytesIO()
        pil.fromarray(frame).save(buffer, "JPEG", quality=88)
        out.append(Still(seconds, buffer.getvalue()))
    return out


@frozen
class Excerpt:
    """The first second after the seam.

    Attributes:
        clip: Its frames.
        seam: When it begins, in seconds of the whole clip.
        fps: Frames a second to sample it at.
    """

    clip: Clip
    seam: float
    fps: float


def early_excerpt(clip: Clip, seam: float | None, rate: float, most: float) -> Excerpt | None:
    """What to show again at a higher rate where a service samples a whole video evenly.

    Args:
        clip: The video.
        seam: Seconds at which the generated part begins.
        rate: Frames a second at which the whole video is sampled.
        most: Frames a second that the service samples at most.

    Returns:
        ``None`` where nothing more can be seen: no seam, no later part, or no further frames.
    """
    higher = min(EARLY_RATE * rate, clip.fps, most)
    if seam is None or higher <= rate or clip.duration <= seam + EARLY_SECONDS:
        return None
    return Excerpt(clip.seconds(seam, seam + EARLY_SECONDS), seam, higher)


def encoded(clip: Clip, *, side: int | None, quality: int = 20) -> bytes:
    """The clip as MP4 (H.264), its longer side at most ``side`` pixels."""
    height, width = within_side(clip.size, side)
    if (height, width) != clip.size:
        clip = Clip(clip.resize(height, width, mode="stretch").frames, clip.fps)
    return clip.to_bytes("mp4", quality=quality)


@define
class _Slot:
    """A place for one thing, held by whoever makes it."""

    lock: threading.Lock = field(factory=threading.Lock)
    made: bool = False
    value: object = None


@define
class Recent:
    """The last few things made, so that several questions on a clip share one encoding.

    Attributes:
        most: How many to keep.
        forget: Called with what is dropped.
    """

    most: int = 4
    forget: Callable[[object], object] | None = None
    _kept: OrderedDict[str, _Slot] = field(factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(factory=threading.Lock, repr=False)

    def get(self, key: str, make: Callable[[], T]) -> T:
        """What was made under ``key``, or make it now; one maker at a time for each key."""
        while True:
            with self._lock:
                slot = self._kept.setdefault(key, _Slot())
                self._kept.move_to_end(key)
            with slot.lock:
                if self._kept.get(key) is not slot:  # dropped while we waited for its lock
                    continue
                if not slot.made:
                    slot.value, slot.made = make(), True
                value: T = slot.value  # type: ignore[assignment]
                break
        with self._lock:
            made = [name for name, other in self._kept.items() if other.made]
            old = [self._kept.pop(name) for name in made[: max(0, len(made) - self.most)]]
        self._forget(old)
        return value

    def drop(self, key: str) -> None:
        """Forget one; if it is being made, right after that."""
        with self._lock:
            slot = self._kept.get(key)
        if slot is None:
            return
        with slot.lock, self._lock:
            mine = self._kept.get(key) is slot
            if mine:
                del self._kept[key]
        self._forget([slot] if mine else [])

    def clear(self) -> None:
        """Forget all."""
        for key in list(self._kept):
            self.drop(key)

    def __len__(self) -> int:
        return sum(slot.made for slot in self._kept.values())

    def _forget(self, slots: Iterable[_Slot]) -> None:
        for slot in slots:
            if slot.made and self.forget is not None:
                self.forget(slot.value)
