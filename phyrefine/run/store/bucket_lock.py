"""One driver at a time for a run in an object store, wherever the drivers are.

Objects cannot be locked, but many stores create one only where there is none (S3 by
``If-None-Match: *``). Drivers of a run are numbered: who creates ``driver/NUMBER.json`` holds the
run, and writes a new beat into it until it ends. Whoever comes next looks at the highest number:
one that says that it ended, or whose beat stands still, is followed by the next number, which again
only one can create. No clocks are compared.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import platform
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from attrs import define, field

from phyrefine.errors import RunLockedError, StoreError
from phyrefine.run.store.mirrored import Bucket

log = logging.getLogger(__name__)
BEAT_SECONDS = 10.0
# A driver whose beat stands still for so long is gone: some beats may come late.
STILL_SECONDS = 45.0
LOOK_SECONDS = 1.0


@define
class BucketLock:
    """The number of this driver, held until it is released.

    A driver that cannot send its beat for ``still`` seconds may be followed by another while it
    runs; it then says so. Both make the same clips under the same names, so that no result is hurt.

    Attributes:
        bucket: The run's folder in the object store.
        part: Name of this process's share; each share has drivers of its own.
        beat: Seconds between two beats.
        still: Seconds without a beat after which a driver is gone.
        clock: Monotonic seconds.
        sleep: Waits so many seconds.
    """

    bucket: Bucket
    part: str | None = None
    beat: float = field(default=BEAT_SECONDS, kw_only=True)
    still: float = field(default=STILL_SECONDS, kw_only=True)
    clock: Callable[[], float] = field(default=time.monotonic, kw_only=True)
    sleep: Callable[[float], None] = field(default=time.sleep, kw_only=True)
    _number: int | None = field(default=None, init=False)
    _card: dict[str, Any] = field(factory=dict, init=False)
    _ended: threading.Event = field(factory=threading.Event, init=False, repr=False)

    def acquire(self) -> Self:
        """Become the run's driver.

        Where the store cannot refuse a second object of one name a warning says so, and nothing is
        held.

        Raises:
            RunLockedError: Another driver is at work; names process, machine and time.
            StoreError: The store does not answer.
        """
        self._card = {
            "pid": os.getpid(),
            "host": platform.node(),
            "since": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "beat": 0,
        }
        while True:
            number = self._following()
            made = self.bucket.create(self._name(number), self._data())
            if made and self.bucket.create(self._name(number), self._data()):
                made = None  # it took the same name twice
            if made is None:
                log.warning(
                    "%s cannot refuse a second driver (it does not create objects conditionally): "
                    "see to it that only one works on this run at a time.", self.bucket.address,
                )  # fmt: skip
                return self
            if made:
                break
        self._number = number
        threading.Thread(target=self._beat, name="phyrefine-driver-beat", daemon=True).start()
        return self

    def release(self) -> None:
        """Say that this driver ended; harmless when nothing is held."""
        self._ended.set()
        if self._number is None:
            return
        try:
            self.bucket.write(self._name(self._number), self._data(ended=True))
        except StoreError as error:  # the next driver waits until the beat has stood still
            log.warning("%s", error)
        self._number = None

    def _following(self) -> int:
        """The number after the last driver's, once that one is gone."""
        number = self._last()
        if not number:
            return 1
        first = said = self.bucket.read(self._name(number))
        until = self.clock() + self.still
        while not _ended(said):
            if said != first:
                raise RunLockedError(
                    f"{self.bucket.address} is in use by {_holder(said)}. Wait for it to end, "
                    "stop it, or choose another store."
                )
            if self.clock() >= until:
                log.warning("%s ended without a word; its run goes on here.", _holder(said))
                break
            if self.clock() + self.still - until < LOOK_SECONDS:
                log.info("Looking for %g s whether %s is alive.", self.still, _holder(said))
            self.sleep(LOOK_SECONDS)
            said = self.bucket.read(self._name(number))
        return number + 1

    def _last(self) -> int:
        """The highest number of a driver; 0 where there was none."""
        folder = self._name(0).rpartition("/")[0]
        names = [name for name in self.bucket.names() if name.rpartition("/")[0] == folder]
        found = [name.rpartition("/")[2].removesuffix(".json") for name in names]
        return max((int(number) for number in found if number.isdigit()), default=0)

    def _beat(self) -> None:
        number = self._number
        while not self._ended.wait(self.beat):
            self._card["beat"] += 1
            try:
                if self._last() != number:
                    log.error(
                        "Another driver took over %s, as this one was silent for too long. Stop "
                        "one of them: both make the same clips.", self.bucket.address,
                    )  # fmt: skip
                    return
                if not self._ended.is_set() and number is not None:
                    self.bucket.write(self._name(number), self._data())
            except StoreError as error:
                log.warning("%s", error)

    def _data(self, *, ended: bool = False) -> bytes:
        return json.dumps({**self._card, "ended": ended}).encode()

    def _name(self, number: int) -> str:
        return f"driver{'' if self.part is None else f'-{self.part}'}/{number:06}.json"


def _read(data: bytes | None) -> dict[str, Any]:
    try:
        said = json.loads(data or b"")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _ended(data: bytes | None) -> bool:
    return data is None or bool(_read(data).get("ended"))


def _holder(data: bytes | None) -> str:
    said = _read(data)
    if not {"pid", "host", "since"} <= said.keys():
        return "another process"
    return f"process {said['pid']} on {said['host']} since {said['since']}"
