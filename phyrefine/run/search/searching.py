"""What every search is: a generator of whole clips around a streaming one, with records."""

from __future__ import annotations

import abc
from typing import Any

from attrs import define, evolve, field

from phyrefine.run.search.recording import Records, questions
from phyrefine.run.search.versions import own_shot, require_streaming
from phyrefine.types import GeneratorProfile, SearchRecord, Shot
from phyrefine.video.clip import Clip


@define
class ClipSearch(abc.ABC):
    """A video generator that searches: a subclass says how, in :meth:`search`.

    Attributes:
        generator: A streaming generator.
        records: What was done, by the digest of the clip.
    """

    generator: Any
    records: Records = field(factory=Records, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        require_streaming(self.generator, type(self).__name__)

    @property
    def profile(self) -> GeneratorProfile:
        """The generator's; clips come whole."""
        profile: GeneratorProfile = evolve(self.generator.profile, streaming=False)
        return profile

    @property
    def count_tokens(self) -> Any:
        """The generator's tokenizer, or ``None``."""
        return getattr(self.generator, "count_tokens", None)

    @abc.abstractmethod
    def search(self, shot: Shot) -> tuple[Clip, SearchRecord]:
        """The clip that was found for a shot, and what was tried; questions are counted around it.

        Raises:
            GenerationError: No clip could be finished.
        """

    def generate(self, shot: Shot) -> Clip:
        """The clip that was found; what was done for it is in :attr:`records`.

        Raises:
            GenerationError: No clip could be finished.
        """
        own_shot(shot, type(self).__name__)
        with questions() as used:
            clip, record = self.search(shot)
            took = used()
        self.records.keep(clip, evolve(record, calls=took.calls, tokens=dict(took.tokens)))
        return clip
