"""New events of a journal that another process is writing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attrs import define, field

from phyrefine._json import parse_json
from phyrefine.types import JSON


@define
class JournalTail:
    """Gives each event of a journal once, whole lines only.

    Attributes:
        path: The journal; need not be there yet.
    """

    path: Path
    _offset: int = field(default=0, init=False)

    def new(self) -> Iterator[JSON]:
        """Events written since the last call; a line that a kill has cut is left out."""
        try:
            with self.path.open("rb") as file:
                if file.seek(0, 2) < self._offset:  # another run of that name
                    self._offset = 0
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return
        whole = data.rfind(b"\n") + 1
        self._offset += whole
        for line in data[:whole].splitlines():
            try:
                event = parse_json(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                yield event
