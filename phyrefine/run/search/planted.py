"""How often a verifier passes a fault: measured on faults planted into real footage."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from phyrefine.run.search.verifying import Look, Verifier
from phyrefine.types import Shot
from phyrefine.video.clip import Clip
from phyrefine.video.motion import is_still

UInt8Array = NDArray[np.uint8]

# From this false-accept rate on backtracking loses to choosing among whole clips: with p = 0.5 per
# chunk, five accepted chunks are all good in 0.27 of the cases at 0.3, and in 0.10 at 0.6.
BAD_RATE = 0.3
# Grey levels by which a pixel must differ from the still background to count as moving.
_MOVES = 24
# The part of a prefix that is judged as if it were a continuation, in seconds.
_JUDGED_SECONDS = 1.5


def frozen_end(frames: UInt8Array, _: UInt8Array) -> UInt8Array:
    """From a third on nothing moves any more."""
    made = frames.copy()
    made[len(frames) // 3 :] = frames[len(frames) // 3]
    return made


def backward(frames: UInt8Array, _: UInt8Array) -> UInt8Array:
    """Played backward: a jump, and then motion the wrong way."""
    return np.ascontiguousarray(frames[::-1])


def vanished(frames: UInt8Array, background: UInt8Array) -> UInt8Array:
    """What moves is gone from the middle on."""
    made = frames.copy()
    made[len(frames) // 2 :] = background
    return made


def jumped(frames: UInt8Array, background: UInt8Array) -> UInt8Array:
    """What moves is elsewhere from the middle on: a quarter of the height higher."""
    made = frames.copy()
    middle, by = len(frames) // 2, max(1, frames.shape[1] // 4)
    for index in range(middle, len(frames)):
        moving = _moving(frames[index], background)
        made[index] = np.where(moving, background, frames[index])
        raised = np.roll(moving, -by, axis=0)
        made[index] = np.where(raised, np.roll(frames[index], -by, axis=0), made[index])
    return made


FAULTS: dict[str, Callable[[UInt8Array, UInt8Array], UInt8Array]] = {
    "frozen": frozen_end,
    "backward": backward,
    "vanished": vanished,
    "jumped": jumped,
}


def _moving(frame: UInt8Array, background: UInt8Array) -> NDArray[np.bool_]:
    gap = np.abs(frame.astype(int) - background.astype(int)).max(-1, keepdims=True)
    moving: NDArray[np.bool_] = gap >= _MOVES
    return moving


@frozen
class VerifierRates:
    """What a verifier said of planted faults and of the same footage without them.

    Attributes:
        planted: Faulty clips shown.
        passed: Of those, the ones in which nothing was found wrong.
        clean: Unchanged clips shown.
        refused: Of those, the ones in which something was found wrong.
        missed: Names of the faults that were passed.
        silent: Clips about which the verifier could not tell; they count as passed.
    """

    planted: int = 0
    passed: int = 0
    clean: int = 0
    refused: int = 0
    missed: tuple[str, ...] = ()
    silent: int = 0

    @property
    def false_accept(self) -> float:
        """Share of faulty clips that were passed."""
        return self.passed / max(1, self.planted)

    @property
    def false_reject(self) -> float:
        """Share of unchanged clips that were complained about."""
        return self.refused / max(1, self.clean)

    def __add__(self, other: VerifierRates) -> VerifierRates:
        return VerifierRates(
            self.planted + other.planted,
            self.passed + other.passed,
            self.clean + other.clean,
            self.refused + other.refused,
            (*self.missed, *other.missed),
            self.silent + other.silent,
        )

    def __str__(self) -> str:
        missed = ", ".join(sorted(set(self.missed))) or "none"
        return (
            f"passed {self.passed} of {self.planted} planted faults "
            f"({self.false_accept:.0%}; missed: {missed}), complained about {self.refused} of "
            f"{self.clean} unchanged clips"
        )


def measure_verifier(verifier: Verifier, shots: Iterable[Shot]) -> VerifierRates:
    """Rates over the prefixes of several shots; prefixes in which nothing moves are left out.

    Args:
        verifier: What to measure.
        shots: With prefixes of real footage.
    """
    found = (rates_on_prefix(verifier, shot) for shot in shots)
    return sum((rates for rates in found if rates is not None), VerifierRates())


def rates_on_prefix(verifier: Verifier, shot: Shot) -> VerifierRates | None:
    """Rates on one prefix: its end is shown as if it had been generated, faulty and unchanged.

    ``None`` where there is no moving footage to plant faults into.
    """
    split = _split(shot)
    if split is None:
        return None
    begun, end = split
    assert shot.prefix is not None
    background: UInt8Array = np.median(shot.prefix.frames, axis=0).astype(np.uint8)
    said = verifier.verify(Look(begun, end))
    rates = VerifierRates(
        clean=1, refused=int(said is not None and not said.clean), silent=int(said is None)
    )
    for name, plant in FAULTS.items():
        frames = plant(end.frames, background)
        if not _visible(frames, end.frames):
            continue  # what moves is too small or too slow to plant this fault
        faulty = Clip(frames, end.fps)
        said = verifier.verify(Look(begun, faulty))
        passed = said is None or said.clean
        rates += VerifierRates(
            1, int(passed), missed=(name,) if passed else (), silent=int(said is None)
        )
    return rates


def _visible(frames: UInt8Array, original: UInt8Array) -> bool:
    gap = np.abs(frames.astype(int) - original.astype(int)).max(-1)
    return bool((gap >= _MOVES).any(axis=(1, 2)).mean() >= 1 / 3)


def _split(shot: Shot) -> tuple[Shot, Clip] | None:
    prefix = shot.prefix
    if prefix is None or len(prefix) < 12 or prefix.duration < 1.0:
        return None
    at = max(prefix.duration / 2, prefix.duration - _JUDGED_SECONDS)
    before, end = prefix.seconds(0.0, at), prefix.seconds(at)
    if is_still(end):
        return None
    return evolve(shot, prefix=before, seconds=end.duration), end
