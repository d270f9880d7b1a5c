"""Ids of jobs, kept on disk from before their first poll, so that no clip is paid for twice."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from attrs import asdict, define, field, frozen
from filelock import FileLock

from phyrefine._atomic import written_aside
from phyrefine._json import parse_json
from phyrefine._optional import require
from phyrefine.types import JSON

# Services forget jobs and their results within two days.
KEPT_SECONDS = 2 * 86_400.0


@frozen
class Entry:
    """One job that was submitted, or was about to be.

    Attributes:
        state: ``"submitting"`` from before the request until its answer, then ``"submitted"``.
        job: The service's id.
        base_url: Which server of a pool has it.
        urls: Addresses that are not signed.
        written: When, in seconds since 1970.
    """

    state: Literal["submitting", "submitted"]
    job: str = ""
    base_url: str = ""
    urls: dict[str, str] = field(factory=dict)
    written: float = 0.0


def _usual_folder() -> Path:
    dirs = require("platformdirs", extra="videos", feature="Video services")
    return Path(dirs.user_cache_dir("phyrefine")) / "jobs"


@define
class JobJournal:
    """A folder with one small JSON file per job.

    Attributes:
        folder: Where; by default ``phyrefine/jobs`` in the user's cache folder.
        clock: Seconds since 1970.
    """

    folder: Path = field(factory=_usual_folder, converter=Path)
    clock: Callable[[], float] = time.time

    @contextmanager
    def held(self, key: str) -> Iterator[None]:
        """While one worker submits or resumes the job of ``key``; others wait."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(str(self._path(key)) + ".lock"):
            yield

    def read(self, key: str) -> Entry | None:
        """The entry of a key; ``None`` when there is none, or it is too old to be known."""
        path = self._path(key)
        try:
            entry = Entry(**parse_json(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        if self.clock() - entry.written > KEPT_SECONDS:
            path.unlink(missing_ok=True)
            return None
        return entry

    def write(self, key: str, entry: Entry) -> None:
        """Keep an entry; it is on disk when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with written_aside(self._path(key)) as aside:
            aside.write_text(
                json.dumps({**asdict(entry), "written": self.clock()}), encoding="utf-8"
            )

    def forget(self, key: str) -> None:
        """Remove an entry: its job failed, or is gone."""
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"


def key_of(identity: str, request: JSON) -> str:
    """The key of one request to one service."""
    text = json.dumps([identity, request], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
