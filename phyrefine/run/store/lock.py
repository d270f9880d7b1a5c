"""One process at a time in a run folder."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import platform
from pathlib import Path
from typing import Self

from attrs import define, field
from filelock import FileLock, Timeout

from phyrefine.errors import RunLockedError
from phyrefine.run.store.disk import read_json, write_json, writing


@define
class RunLock:
    """A lock on a run folder, held until released or until the process ends, however it ends.

    The operating system holds the lock, so a killed process leaves none behind. Who holds it is
    written beside it for the message only.

    Attributes:
        path: The lock file; ``<path>.holder.json`` says who holds it.
    """

    path: Path = field(converter=Path)
    _lock: FileLock = field(init=False, repr=False)

    @_lock.default
    def _make_lock(self) -> FileLock:
        # Whichever thread closes the run may release it.
        return FileLock(self.path, thread_local=False)

    def acquire(self) -> Self:
        """Take the lock.

        Raises:
            RunLockedError: Another holds it; the message names process, host and time.
            StoreError: The folder cannot be written.
        """
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(blocking=False)
            except Timeout as error:
                raise RunLockedError(
                    f"{self.path.parent} is in use by {self._holder()}. Wait for it to end, stop "
                    "it, or choose another run folder."
                ) from error
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        try:
            write_json(
                self._holder_path, {"pid": os.getpid(), "host": platform.node(), "since": now}
            )
        except BaseException:
            self._lock.release()
            raise
        return self

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._lock.is_locked:
            with contextlib.suppress(OSError):
                self._holder_path.unlink(missing_ok=True)
        self._lock.release()

    def __enter__(self) -> Self:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def _holder_path(self) -> Path:
        return self.path.with_name(self.path.name + ".holder.json")

    def _holder(self) -> str:
        try:
            holder = read_json(self._holder_path)
        except ValueError:
            holder = None
        if not isinstance(holder, dict) or set(holder) != {"pid", "host", "since"}:
            return "another process"
        mine = " (this very process)" if holder["pid"] == os.getpid() else ""
        return f"process {holder['pid']}{mine} on {holder['host']} since {holder['since']}"
