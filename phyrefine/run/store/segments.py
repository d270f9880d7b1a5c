"""A run's journal in an object store, a piece at a time: objects cannot be appended to."""

from __future__ import annotations

import datetime as dt
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import define, field

from phyrefine.errors import StoreError
from phyrefine.run.store.mirrored import Bucket

log = logging.getLogger(__name__)
LARGE, OLD_SECONDS = 256 << 10, 30.0


def _started() -> str:
    return f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-{os.getpid()}"


@define
class Segments:
    """A listener that sends the journal's new lines as objects ``events/START-NUMBER.jsonl``.

    Joined in the order of their names they are the journal. A piece goes when it is large or old,
    and the last when the run closes; one that the store does not take is sent with the next.

    Attributes:
        path: The journal on this disk.
        bucket: Where pieces go.
        clock: Monotonic seconds.
    """

    path: Path
    bucket: Bucket
    clock: Callable[[], float] = field(default=time.monotonic, kw_only=True)
    _session: str = field(factory=_started, init=False)
    _sent: int = field(init=False)
    _number: int = field(default=0, init=False)
    _last: float = field(init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    @_sent.default
    def _begin(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @_last.default
    def _now(self) -> float:
        return self.clock()

    def on_event(self, event: str, details: Mapping[str, Any]) -> None:
        """Send what is new, when it is large or old."""
        size = self.path.stat().st_size if self.path.exists() else 0
        if event == "closed" or size - self._sent >= LARGE or self._old():
            self.send()

    def send(self) -> None:
        """Send the whole lines that are new."""
        with self._lock:
            self._last = self.clock()
            if not self.path.exists():
                return
            with self.path.open("rb") as journal:
                journal.seek(self._sent)
                data = journal.read()
            data = data[: data.rfind(b"\n") + 1]
            if not data:
                return
            try:
                self.bucket.write(f"events/{self._session}-{self._number:05}.jsonl", data)
            except StoreError as error:  # a journal never stops a run
                log.warning("%s", error)
                return
            self._sent += len(data)
            self._number += 1

    def _old(self) -> bool:
        return self.clock() - self._last >= OLD_SECONDS
