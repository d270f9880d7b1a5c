"""What a tracked run remembers between two starts of the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from attrs import define, field

from phyrefine.run.store.disk import read_json, write_json


@define
class Memory:
    """The tracker's name of a run, and what was logged of it, kept in the run folder.

    Attributes:
        path: ``tracking-SERVICE.json``; ``None`` to remember for as long as the process lives.
        id: The tracker's own name of the run; empty before it has begun.
        step: Steps logged so far.
        logged: Keys of the entries that were logged.
        totals: Sums over all entries.
    """

    path: Path | None
    id: str = ""
    step: int = 0
    logged: set[str] = field(factory=set)
    totals: dict[str, float] = field(factory=dict)

    @classmethod
    def of(cls, run_dir: Path | None, service: str) -> Self:
        """What is remembered of the run in a folder; a damaged memory is begun anew.

        Raises:
            StoreError: The file is there and cannot be read.
        """
        if run_dir is None:
            return cls(None)
        path = run_dir / f"tracking-{service}.json"
        try:
            there = read_json(path) or {}
            return cls(
                path,
                str(there.get("id", "")),
                int(there.get("step", 0)),
                set(there.get("logged", ())),
                dict(there.get("totals", {})),
            )
        except (ValueError, TypeError, AttributeError):
            return cls(path)

    def keep(self) -> None:
        """Write it down.

        Raises:
            StoreError: The disk is full or may not be written.
        """
        if self.path is not None:
            kept = {"id": self.id, "step": self.step, "logged": sorted(self.logged)}
            write_json(self.path, {**kept, "totals": self.totals})
