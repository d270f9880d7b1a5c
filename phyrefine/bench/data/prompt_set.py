"""The prompts of a benchmark, as generation wants them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from attrs import evolve, frozen

from phyrefine.bench.benchmark import Benchmark, Item, Prompts
from phyrefine.errors import InvalidInputError, VideoError
from phyrefine.physics_iq.generation.plan import edition_of
from phyrefine.types import Mode, Scenario
from phyrefine.video.clip import Clip

PREFIX_SECONDS = 3.0


@frozen
class PromptSet:
    """A data set for :func:`phyrefine.physics_iq.generation.generating.generate`.

    Attributes:
        suite: Whose prompts.
        prompts: Read from the download.
        seconds: Length of the clips.
    """

    suite: Benchmark
    prompts: Prompts
    seconds: float

    @classmethod
    def made(cls, suite: Benchmark, prompts: Prompts, folder: Path) -> PromptSet:
        """The data set that a folder was generated for, whatever the length of its clips.

        Raises:
            InvalidInputError: It was generated for another benchmark.
        """
        told = edition_of(folder)
        found = re.fullmatch(rf"{re.escape(suite.name)}, clips of ([\d.]+) s", told)
        if told and found is None:
            raise InvalidInputError(f"{folder} was generated for {told}, not for {suite.name}.")
        return cls(suite, prompts, float(found[1]) if found else 0.0)

    @property
    def title(self) -> str:
        """The benchmark's."""
        return self.suite.title

    @property
    def edition(self) -> str:
        """What a folder of clips belongs to, beside the prompts themselves."""
        return f"{self.suite.name}, clips of {self.seconds:g} s"

    @property
    def samples(self) -> tuple[Item, ...]:
        """The items."""
        return self.prompts.items

    @property
    def descriptions(self) -> Path:
        """The file of prompts."""
        return self.prompts.path

    def part(self, samples: Sequence[Item]) -> PromptSet:
        """The same with fewer items."""
        return evolve(self, prompts=evolve(self.prompts, items=tuple(samples)))

    def scenario(
        self, sample: Item, *, mode: Mode | str, fps: int, size: tuple[int, int]
    ) -> Scenario:
        """The prompt, and for ``i2v`` and ``v2v`` the picture or clip it begins with.

        Raises:
            InvalidInputError: The benchmark brings nothing to begin with.
            VideoError: It cannot be read.
        """
        mode = Mode(mode)
        prefix = None if mode is Mode.TEXT else self._prefix(sample, mode, size)
        return Scenario(
            sample.description,
            prefix,
            seconds=self.seconds,
            fps=fps,
            size=size,
            name=sample.name,
        )

    def _prefix(self, sample: Item, mode: Mode, size: tuple[int, int]) -> Clip:
        if sample.source is None:
            raise InvalidInputError(
                f"{self.title} brings no picture or clip for {sample.name}: use --mode t2v."
            )
        if mode is Mode.VIDEO:
            return Clip.read(sample.source, seconds=PREFIX_SECONDS, size=size)
        first = Clip.read(sample.source, size=size)
        return Clip(first.frames[:1], first.fps, source=first.source)

    def missing_inputs(self, *, mode: Mode | str, fps: int) -> list[str]:
        """A line for each item whose picture or clip is missing or damaged."""
        if Mode(mode) is Mode.TEXT:
            return []
        return [line for item in self.samples if (line := _problem(item)) is not None]


def _problem(item: Item) -> str | None:
    if item.source is None:
        return f"{item.name} brings no picture or clip: use --mode t2v"
    try:
        Clip.read(item.source, seconds=0.1)
    except VideoError as error:
        return f"{item.name}: {error}"
    return None
