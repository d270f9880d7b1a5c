"""What generating clips needs of a data set, whichever benchmark it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self, TypeVar

from phyrefine.types import Mode, Scenario


class Prompted(Protocol):
    """One sample: a name for its files, and the prompt."""

    @property
    def name(self) -> str:
        """Name of the generated video without suffix."""
        ...

    @property
    def description(self) -> str:
        """The text prompt."""
        ...


Item = TypeVar("Item", bound=Prompted)


class Inputs(Protocol[Item]):
    """A data set as generation sees it; nothing of it tells how clips are scored."""

    @property
    def title(self) -> str:
        """The benchmark's name, for people."""
        ...

    @property
    def edition(self) -> str:
        """Which version and part of it; a folder of clips belongs to one."""
        ...

    @property
    def samples(self) -> tuple[Item, ...]:
        """What is generated, in order."""
        ...

    @property
    def descriptions(self) -> Path:
        """The file that the prompts came from."""
        ...

    def part(self, samples: Sequence[Item]) -> Self:
        """The same with fewer samples."""
        ...

    def scenario(
        self, sample: Item, *, mode: Mode | str, fps: int, size: tuple[int, int]
    ) -> Scenario:
        """What a refinement gets of a sample."""
        ...

    def missing_inputs(self, *, mode: Mode | str, fps: int) -> list[str]:
        """What generation would miss: one line for each absent or damaged file."""
        ...
