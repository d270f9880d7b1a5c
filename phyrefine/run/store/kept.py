"""Clips and chunks in a store: what each took, and how many were made in one call."""

from __future__ import annotations

import logging
from typing import Any, TypeVar

from attrs import asdict, define, field, frozen

from phyrefine.errors import InvalidInputError, StoreError
from phyrefine.protocols import Store
from phyrefine.run.budget.meter import Meter
from phyrefine.serialize import from_json, to_json
from phyrefine.types import Chunk, Usage
from phyrefine.video.clip import Clip
from phyrefine.video.large.lazy import is_large

log = logging.getLogger(__name__)

T = TypeVar("T", Clip, Chunk)

# What reading a value of another schema raises: it was stored by another version.
UNFIT = (InvalidInputError, KeyError, TypeError, AttributeError)


def made_anew(key: str, error: Exception) -> None:
    """Say that a stored value cannot be used."""
    log.warning("The stored %s is of another schema and is made anew: %s", key, error)


@frozen
class Together:
    """How a clip was made that shared its call with others.

    Attributes:
        clips: Clips made at once; its frames may differ by rounding from those made alone.
        reduced_from: The batch size before memory ran out; ``None`` if it never did.
    """

    clips: int
    reduced_from: int | None = None

    def __str__(self) -> str:
        made = f"made {self.clips} at a time"
        if self.reduced_from is None:
            return made
        return f"{made}, not {self.reduced_from}: the device ran out of memory"


@define
class KeptClips:
    """What a generator made, under the keys of its requests.

    Attributes:
        store: Where clips are kept.
        meter: Told what a clip from the store once took.
        together: How clips were made that shared a call, by the digest of their native frames.
    """

    store: Store
    meter: Meter
    together: dict[str, Together] = field(factory=dict, init=False)

    def has(self, key: str) -> bool:
        """Whether something is stored under ``key``; its frames are not looked at."""
        return self.store.get(key) is not None

    def keep(
        self, key: str, made: Clip | Chunk, usage: Usage, together: Together | None = None
    ) -> None:
        """Store what was made and what it took."""
        value: dict[str, Any] = {
            "made": to_json(made, keep=self.store.put_clip),
            "usage": to_json(usage),
        }
        if together is not None:
            value["together"] = asdict(together)
            self._remember(made, together)
        self.store.put(key, value)
        self.meter.paid(key)

    def find(self, key: str, kind: type[T]) -> T | None:
        """What is stored under ``key``, if its frames are there too; the meter is told."""
        made, _ = self.recall(key, kind)
        return made

    def recall(self, key: str, kind: type[T]) -> tuple[T | None, Usage]:
        """As :meth:`find`, with what it took."""
        made, usage = self.look(key, kind)
        if made is not None:
            self.meter.recalled("generate", key, usage)
        return made, usage

    def look(self, key: str, kind: type[T]) -> tuple[T | None, Usage]:
        """As :meth:`recall`; the meter is not told."""
        value = self.store.get(key)
        if value is None:
            return None, Usage()
        lost: list[str] = []

        def fetch(digest: str) -> Clip | None:
            clip = self.store.get_clip(digest)
            if clip is None:
                lost.append(digest)
            return clip

        try:
            made = from_json(value["made"], kind, fetch=fetch)
            if value.get("together") is not None:
                self._remember(made, Together(**value["together"]))
            return made, from_json(value["usage"], Usage)
        except UNFIT as error:
            made_anew(key, error)
        except StoreError:
            if not lost:
                raise
            log.warning("The frames %s are gone from the store and are made again.", lost[0])
        return None, Usage()

    def as_stored(self, key: str, clip: Clip) -> Clip:
        """A large clip as the store has it, which may not hold its frames in memory."""
        if not (is_large(clip.as_made.pixels.shape) and clip.as_made.held_bytes):
            return clip
        kept, _ = self.look(key, Clip)
        return clip if kept is None else kept

    def _remember(self, made: Clip | Chunk, together: Together) -> None:
        if isinstance(made, Clip):
            self.together[made.as_made.digest] = together
