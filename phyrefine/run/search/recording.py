"""What searches did, by the clip they gave, and where that is put into attempts."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from attrs import define, evolve, field

from phyrefine.protocols import VLM, VideoGenerator
from phyrefine.run.budget.meter import Meter
from phyrefine.types import Attempt, SearchRecord, Usage
from phyrefine.video.clip import Clip

log = logging.getLogger(__name__)


@runtime_checkable
class Search(VideoGenerator, Protocol):
    """A generator that searches: a session wraps what it is made of, not the whole."""

    @property
    def generator(self) -> Any:
        """The streaming generator."""
        ...

    @property
    def records(self) -> Records:
        """What was done for each clip."""
        ...

    def with_parts(self, generator: Any, wrap: Callable[[VLM], VLM], /) -> Search:
        """The same search with its generator replaced and its models wrapped."""
        ...


@define
class Records:
    """Records of searches by the digest of the clip that came out."""

    found: dict[str, SearchRecord] = field(factory=dict)

    def keep(self, clip: Clip, record: SearchRecord) -> None:
        """Remember what was done for a clip, and log it."""
        self.found[clip.digest] = record
        log.info("%s", record.in_words())


@contextlib.contextmanager
def questions() -> Iterator[Callable[[], Usage]]:
    """What metered calls of models within the block took.

    Calls of the generator are left out: a stream that is gone on with after an interruption counts
    once more, and records must not depend on that.
    """
    with Meter().tally() as tally:
        yield lambda: sum(
            (used for stage, used in tally.stages.items() if stage != "generate"), Usage()
        )


def with_records(generators: Sequence[Any], attempt: Attempt) -> Attempt:
    """The attempt with what searches did for its clips."""
    known: dict[str, SearchRecord] = {}
    for generator in generators:
        if isinstance(generator, Search):
            known |= generator.records.found
    if not known:
        return attempt
    return evolve(
        attempt,
        candidates=tuple(
            evolve(one, search=known.get(one.clip.digest)) for one in attempt.candidates
        ),
    )
