"""Whether a process is still at work in a folder, seen without touching its lock."""

from __future__ import annotations

import logging
import os
import platform
import time
from pathlib import Path
from typing import Literal

from phyrefine.errors import StoreError
from phyrefine.run.store.disk import read_json

log = logging.getLogger(__name__)

Presence = Literal["alive", "dead", "elsewhere", "nobody"]

# A process on another machine that wrote nothing for so long may be gone.
SILENT_SECONDS = 900.0


def presence_in(folders: list[Path]) -> tuple[Presence, str]:
    """Who works there, and that in words.

    A process of this machine is looked for by its number; of one on another machine only the age
    of its journal can tell.

    Args:
        folders: Folders with ``*.lock.holder.json``.
    """
    found: dict[Presence, str] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.lock.holder.json")):
            state, words = _holder(path)
            found.setdefault(state, words)
    order: tuple[Presence, ...] = ("alive", "elsewhere", "dead")
    return next(((state, found[state]) for state in order if state in found), ("nobody", ""))


def _holder(path: Path) -> tuple[Presence, str]:
    try:
        holder = read_json(path) or {}
        pid, host = int(holder["pid"]), str(holder["host"])
    except (ValueError, TypeError, KeyError, StoreError):
        return "nobody", ""
    if host == platform.node():
        alive = _exists(pid)
        return ("alive", f"process {pid}") if alive else ("dead", f"process {pid} has ended")
    silent = time.time() - max(
        (journal.stat().st_mtime for journal in path.parent.rglob("events*.jsonl")),
        default=path.stat().st_mtime,
    )
    if silent > SILENT_SECONDS:
        return "dead", f"process {pid} on {host} has written nothing for {silent / 60:.0f} minutes"
    return "elsewhere", f"process {pid} on {host}"


def _exists(pid: int) -> bool:
    try:
        # A killed process that its parent has not waited for still has its number.
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return False
    except OSError:  # no such process, or a system without /proc: the signal tells
        log.debug("/proc tells nothing of process %d", pid)
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # no process has such a number
        return False
    except PermissionError:  # somebody else's
        return True
    return True
