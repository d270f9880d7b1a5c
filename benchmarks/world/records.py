"""Results as JSON lines, one for each scene, generator, arm and budget; any run goes on from them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import attrs
import cattrs
from attrs import field, frozen


@frozen
class Record:
    """One arm on one scene, noise seeds and draws averaged.

    Attributes:
        scene: Seed.
        kind: Kind of scene.
        variant: Name of the generator's weights.
        generator: Digest of weights and settings.
        pool: Prompt and noise seeds of the pool, such as ``"all_cues 0+16"``.
        arm: Its name.
        budget: Clip-equivalents it was given.
        values: Means over draws: score, its parts, motion, wrong, costs, and where it has them
            rank correlation and repairs.
    """

    scene: int
    kind: str
    variant: str
    generator: str
    pool: str
    arm: str
    budget: int
    values: dict[str, float] = field(factory=dict)

    @property
    def key(self) -> tuple[Any, ...]:
        """What it answers; the same key is never computed twice."""
        return self.scene, self.generator, self.pool, self.arm, self.budget


def load(path: Path) -> list[Record]:
    """The records of a file; a last line that was cut off by a kill is passed over.

    Raises:
        ValueError: A line within the file is damaged.
    """
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    whole, _, _ = text.rpartition("\n")
    return [cattrs.structure(json.loads(line), Record) for line in whole.splitlines()]


def open_for_more(path: Path) -> IO[str]:
    """The file to append to, without the cut-off line that a kill may have left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = path.read_bytes() if path.exists() else b""
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        path.write_bytes(whole)
    return path.open("a", encoding="utf-8")


def append(file: IO[str], records: Iterable[Record]) -> None:
    """Write records so that a kill loses none that were written before."""
    for record in records:
        file.write(json.dumps(attrs.asdict(record)) + "\n")
    file.flush()
