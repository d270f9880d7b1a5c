"""What happened, one JSON line per event, for people and reports; the loop never reads it."""

from __future__ import annotations

import contextlib
import contextvars
import datetime as dt
import json
import logging
import os
import threading
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from phyrefine._event_loop import finish
from phyrefine._json import parse_json
from phyrefine._secrets import hide, scrub, scrub_json
from phyrefine.errors import InvalidInputError
from phyrefine.protocols import Listener
from phyrefine.serialize import to_json
from phyrefine.types import JSON

__all__ = [
    "FunctionListener",
    "Journal",
    "as_listener",
    "hide",
    "notify",
    "placed",
    "read_journal",
    "scrub",
]

log = logging.getLogger(__name__)


@define
class Journal:
    """A listener that appends every event to a file, without secrets.

    Each line is written by one system call, so that a killed process leaves at most its last line
    cut. A full disk silences the journal with one warning; it never stops a run.

    Attributes:
        path: The file, usually ``events.jsonl``; made on the first event.
    """

    path: Path = field(converter=Path)
    _file: int | None = field(default=None, init=False)
    _silent: bool = field(default=False, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def on_event(self, event: str, details: Mapping[str, Any]) -> None:
        """Append ``{"time": ..., "event": ..., **details}``; values become JSON."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        entry = {"time": now, "event": event, **{key: _plain(it) for key, it in details.items()}}
        line = json.dumps(scrub_json(entry), ensure_ascii=False) + "\n"
        with self._lock:
            self._append(line.encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Close the file; a later event opens it again."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _append(self, line: bytes) -> None:
        try:
            if self._file is None:
                self._file = _open_on_a_new_line(self.path)
            written = os.write(self._file, line)
            if written < len(line):  # a disk filling up takes part of a line
                os.write(self._file, line[written:])
        except OSError as error:
            if not self._silent:
                log.warning("No events are written to %s any more: %s", self.path, error)
            self._silent = True


def _open_on_a_new_line(path: Path) -> int:
    """Open for appending, behind a line that a killed process may have cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        os.write(file, b"\n")
    return file


def read_journal(path: Path) -> Iterator[JSON]:
    """The events of a journal, in order; lines cut by a kill are left out."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                yield parse_json(line)
            except ValueError:
                continue


NOWHERE: Mapping[str, Any] = types.MappingProxyType({})
_place: contextvars.ContextVar[Mapping[str, Any]] = contextvars.ContextVar("place", default=NOWHERE)


@contextlib.contextmanager
def placed(**where: Any) -> Iterator[None]:
    """Within the block every event of this thread also says ``where`` it belongs."""
    token = _place.set({**_place.get(), **where})
    try:
        yield
    finally:
        _place.reset(token)


def notify(listeners: Sequence[Listener], event: str, details: Mapping[str, Any]) -> None:
    """Tell every listener; one that fails is logged and does no harm."""
    whole = {**_place.get(), **details}
    for listener in listeners:
        try:
            listener.on_event(event, whole)
        except Exception:
            log.exception("The listener %r failed at %r.", listener, event)


@frozen
class FunctionListener:
    """A listener around a function of an event's name and its details."""

    function: Callable[[str, Mapping[str, Any]], object]

    def on_event(self, event: str, details: Mapping[str, Any]) -> None:
        """Call the function."""
        finish(self.function(event, details))


def as_listener(value: Listener | Callable[[str, Mapping[str, Any]], object]) -> Listener:
    """A listener from an object with ``on_event`` or a function of event and details.

    Raises:
        InvalidInputError: ``value`` is neither.
    """
    if hasattr(value, "on_event"):
        return value
    if callable(value):
        return FunctionListener(value)
    raise InvalidInputError(
        f"{value!r} is no listener: pass a function of an event's name and its details, or an "
        "object with on_event()."
    )


def _plain(value: Any) -> JSON:
    """JSON of a value; what has none is told by its text."""
    try:
        plain = to_json(value)
        json.dumps(plain)
    except (TypeError, ValueError):
        return str(value)
    return plain
