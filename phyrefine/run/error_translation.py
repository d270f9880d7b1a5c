"""A user's own backend may raise anything: here that becomes one of our errors, told where."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from attrs import frozen

from phyrefine._secrets import scrub
from phyrefine.errors import BackendError, GenerationError, GeneratorMemoryError, PhyrefineError
from phyrefine.protocols import LLM, VLM, VideoGenerator
from phyrefine.refine.each_clip import generate_each
from phyrefine.types import Answer, GeneratorProfile, Question, Shot
from phyrefine.video.clip import Clip


def ours(error: Exception) -> PhyrefineError:
    """The error itself if it is one of ours, else one of ours with it as its cause."""
    if isinstance(error, PhyrefineError):
        return error
    made = PhyrefineError(_words(error))
    made.__cause__ = error
    return made


def is_a_bug(error: BaseException) -> bool:
    """Whether an error stands for one that nobody foresaw, so that its traceback is wanted."""
    foreseen = type(error) not in (PhyrefineError, BackendError, GenerationError)
    return error.__cause__ is not None and not foreseen


@frozen
class ErrorTranslatingAsker:
    """A VLM or an LLM whose foreign exceptions come as :class:`~phyrefine.errors.BackendError`.

    It stands outside of everything that treats faults, so that a bug is neither tried again nor
    covered up by a second model.

    Attributes:
        backend: Wrapped as it should be.
        name: What to call it, such as ``"VLM MyModel"``.
    """

    backend: VLM | LLM
    name: str

    def ask(self, question: Question) -> Answer:
        """Ask.

        Raises:
            BackendError: The backend raised something that is not ours; that is the cause.
        """
        with _translated(f"The {self.name} failed in the {question.stage} stage", BackendError):
            return self.backend.ask(question)


@frozen
class ErrorTranslatingGenerator:
    """A video generator whose foreign exceptions come as generation errors.

    Attributes:
        backend: Wrapped as it should be.
        name: What to call it.
    """

    backend: VideoGenerator
    name: str

    @property
    def profile(self) -> GeneratorProfile:
        """The backend's."""
        profile: GeneratorProfile = self.backend.profile
        return profile

    def generate(self, shot: Shot) -> Clip:
        """Generate.

        Raises:
            GeneratorMemoryError: The device ran out of memory, in whatever words.
            GenerationError: The backend raised something else that is not ours.
        """
        with _translated(f"The {self.name} failed at seed {shot.seed}", GenerationError):
            clip: Clip = self.backend.generate(shot)
        return clip

    def generate_each(self, shots: Sequence[Shot]) -> Iterator[Clip]:
        """Generate one after another, or in batches; errors as :meth:`generate`."""
        clips = generate_each(self.backend, shots)
        for shot in shots:
            with _translated(f"The {self.name} failed at seed {shot.seed}", GenerationError):
                clip = next(clips)
            yield clip


def name_of(backend: Any) -> str:
    """What a reader knows a backend by: its class, or the function it is made of.

    One that stands for another elsewhere says in an attribute ``called`` what that is.
    """
    called = getattr(backend, "called", None)
    if isinstance(called, str):
        return called
    function = getattr(backend, "function", None)
    return str(getattr(function, "__qualname__", type(backend).__qualname__))


@contextlib.contextmanager
def _translated(what: str, kind: type[BackendError]) -> Iterator[None]:
    try:
        yield
    except PhyrefineError:
        raise
    except Exception as error:
        if kind is GenerationError and out_of_memory(error):
            kind = GeneratorMemoryError
        raise kind(f"{what}: {_words(error)}") from error


def _words(error: Exception) -> str:
    return scrub(f"{type(error).__name__}: {error}".removesuffix(": "))


def out_of_memory(error: Exception) -> bool:
    """Whether an error says, in whatever words, that the device is full."""
    kinds = MemoryError | GeneratorMemoryError
    named = type(error).__name__ == "OutOfMemoryError" or isinstance(error, kinds)
    return named or "out of memory" in str(error).lower()
