"""Everything measured in one clip, named with the words of its description."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from phyrefine.world.eye.measuring.motion import Contact, Stretch, contacts, stretches
from phyrefine.world.eye.measuring.surroundings import Surroundings
from phyrefine.world.eye.measuring.swing import Swing, find_swing
from phyrefine.world.eye.measuring.tracking import Sight, Track
from phyrefine.world.wordings import COLOURS, Cues, colour_distance, colour_name

FloatArray = NDArray[np.float64]

# Tracks smaller than this share of the largest one are shadows, reflections or specks.
_SMALL = 0.15
_TINY = 0.05
# Kinds of scene in which two things meet.
_PAIRS = ("collide", "attract")


@frozen(eq=False)
class Motion:
    """One thing and how it moves.

    Attributes:
        track: Where it is.
        name: As the description calls it, such as ``"the red ball"``.
        pieces: Its stretches of constant acceleration.
        contacts: Sudden changes of velocity.
        swing: Set when it swings about a pivot.
    """

    track: Track
    name: str
    pieces: tuple[Stretch, ...]
    contacts: tuple[Contact, ...]
    swing: Swing | None = None


@frozen(eq=False)
class Finding:
    """One break of a law, measured.

    Attributes:
        topic: Key of the wording in ``phrases``.
        thing: Name of the object.
        start: Seconds on the clip's clock.
        end: Seconds; ``None`` to the end.
        severity: 0..1.
        confidence: 0..1.
        other: Name of a second object, if one takes part.
    """

    topic: str
    thing: str
    start: float
    end: float | None
    severity: float
    confidence: float
    other: str = ""


@frozen(eq=False)
class Case:
    """What is known of a clip.

    Attributes:
        sight: Background and tracks.
        seam: First made frame; 0 when all of it was made.
        cues: What the description leads one to expect.
        motions: Things that matter, most noticeable first.
    """

    sight: Sight
    seam: int
    cues: Cues
    motions: tuple[Motion, ...] = field(default=())

    @functools.cached_property
    def around(self) -> Surroundings:
        """Looks up the background next to things."""
        return Surroundings(self.sight)

    @functools.cached_property
    def floor(self) -> float | None:
        """Height of a level edge in the lower picture, pixels."""
        return self.around.floor()

    @property
    def times(self) -> FloatArray:
        """Seconds of each frame."""
        return self.sight.times

    @property
    def unit(self) -> float:
        """A small distance in pixels."""
        return self.around.unit

    @property
    def seam_time(self) -> float:
        """Seconds at which the made part begins."""
        return float(self.times[min(self.seam, len(self.times) - 1)])

    @property
    def step(self) -> float:
        """Seconds from frame to frame."""
        return float(self.times[1] - self.times[0]) if len(self.times) > 1 else 1.0


def likely(cues: Cues, motions: Sequence[Motion]) -> tuple[str, ...]:
    """Kinds of scene that the words name, without those that need a second thing there is not.

    "A ball falls towards the floor" names one thing: nothing can be hit.

    Args:
        cues: What the description says.
        motions: What is seen to move.
    """
    alone = len(cues.objects) <= 1 and len(motions) <= 1
    return tuple(kind for kind in cues.kinds if not (alone and kind in _PAIRS))


def open_case(sight: Sight, seam: int, cues: Cues) -> Case:
    """Measure every noticeable thing of a clip.

    Args:
        sight: What is seen.
        seam: First made frame.
        cues: What the description says.
    """
    bare = Case(sight, seam, cues)
    tracks = _that_matter(sight, bare.unit)
    names = _names(tracks, cues)
    motions = tuple(_motion(track, name, bare) for track, name in zip(tracks, names, strict=True))
    return Case(sight, seam, evolve(cues, kinds=likely(cues, motions)), motions)


def _motion(track: Track, name: str, case: Case) -> Motion:
    pieces = stretches(track, case.times)
    least = 6.0 * case.unit
    swing = find_swing(track, case.times, expected="swing" in case.cues.kinds)
    return Motion(track, name, pieces, contacts(pieces, least=least), swing)


def _that_matter(sight: Sight, unit: float) -> list[Track]:
    if not sight.tracks:
        return []
    main = max(sight.tracks, key=lambda track: float(np.nanmedian(track.area)))
    moved = [
        track
        for track in sight.tracks
        if track.travel > 0.5 * unit and _noticeable(track, main, unit)
    ]
    return moved[:6]


def _noticeable(track: Track, main: Track, unit: float) -> bool:
    share = float(np.nanmedian(track.area) / np.nanmedian(main.area))
    # A ball is small beside the hand that lets it go, but it goes further.
    far = track.travel > max(1.25 * main.travel, 8.0 * unit)
    return share >= _SMALL or (far and share >= _TINY)


def _names(tracks: list[Track], cues: Cues) -> list[str]:
    """Each named object goes to the track of the nearest colour; the rest go by their looks."""
    names = [""] * len(tracks)
    pairs = sorted(
        (colour_distance(_tint(track), COLOURS[named.colour]), index, named.name)
        for index, track in enumerate(tracks)
        for named in cues.objects
        if named.colour is not None
    )
    taken: set[str] = set()
    for distance, index, name in pairs:
        if not names[index] and name not in taken and distance < 220.0:
            names[index] = name
            taken.add(name)
    plain = [named.name for named in cues.objects if named.colour is None]
    for index, track in enumerate(tracks):
        if not names[index] and plain and plain[0] not in taken:
            names[index] = plain[0]
            taken.add(plain[0])
        elif not names[index]:
            names[index] = f"the {colour_name(_tint(track))} {_shape(track)}"
    return names


def _tint(track: Track) -> tuple[float, float, float]:
    red, green, blue = np.nanmedian(track.colour, axis=0)
    return float(red), float(green), float(blue)


def _shape(track: Track) -> str:
    ratio = float(np.nanmedian(track.wide / np.maximum(track.tall, 0.1)))
    fill = float(np.nanmedian(track.area / np.maximum(track.wide * track.tall, 0.1)))
    # A disc has area 4·pi·sigma_x·sigma_y, a rectangle 12·sigma_x·sigma_y.
    return "ball" if 0.8 < ratio < 1.25 and fill > 10.0 else "object"
