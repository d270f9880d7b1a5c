"""Anything usable as a backend becomes one: a registry name, an object, a bare callable."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

from attrs import evolve, field, frozen

from phyrefine import registry
from phyrefine._event_loop import finish
from phyrefine.errors import GenerationError, InvalidInputError, VideoError, WrongReplyError
from phyrefine.identities import identity, name_of
from phyrefine.protocols import LLM, VLM, VideoGenerator
from phyrefine.types import Answer, GeneratorProfile, Question, Shot, Usage
from phyrefine.video.clip import Clip
from phyrefine.video.delivery import deliver

# What a user may hand over in each role.
AskFunction = Callable[[Question], Any]
GenerateFunction = Callable[[Shot], Any]
Generator = VideoGenerator | GenerateFunction | str
Generators = Generator | Sequence[Generator]


def as_vlm(value: VLM | AskFunction | str) -> VLM:
    """A VLM from a registry name, an object with ``ask``, or a function of one question.

    Functions and ``ask`` may be ``async``. They return the reply's text, an
    :class:`~phyrefine.types.Answer`, or a mapping that stands for JSON.
    """
    made: VLM = _as_asker("vlm", value)
    return made


def as_llm(value: LLM | AskFunction | str) -> LLM:
    """An LLM; see :func:`as_vlm`."""
    made: LLM = _as_asker("llm", value)
    return made


def as_generator(value: VideoGenerator | GenerateFunction | str) -> VideoGenerator:
    """A video generator from a registry name, an object with ``generate``, or a callable.

    A callable takes a :class:`~phyrefine.types.Shot` and returns the new frames: a ``Clip``, a
    list of PIL images, or an array or tensor as ``Clip.from_array`` takes it. It may be ``async``.

    Raises:
        InvalidInputError: ``value`` is none of these.
    """
    if isinstance(value, str):
        value = registry.make("generator", value)
    if hasattr(value, "generate") and hasattr(value, "profile"):
        if inspect.iscoroutinefunction(value.generate):
            return AsyncVideoGenerator(value)
        object_made: VideoGenerator = value
        return object_made
    if callable(value):
        return FunctionGenerator(value)
    raise InvalidInputError(
        f"{value!r} is no video generator: pass a registry name, an object with generate() and "
        "profile, or a function of one Shot."
    )


def as_generators(value: Generators) -> tuple[VideoGenerator, ...]:
    """One video generator, or a list of them: the same model on several devices.

    Raises:
        InvalidInputError: The list is empty or its generators differ in their identity.
    """
    if not isinstance(value, Sequence) or isinstance(value, str):
        return (as_generator(value),)
    made = tuple(as_generator(one) for one in value)
    names = sorted({identity(one) for one in made})
    if len(names) != 1:
        raise InvalidInputError(
            "A list of generators is one model on several devices, so all must have the same "
            f"identity, not {names or 'none'}."
        )
    return made


def _as_asker(role: registry.Role, value: Any) -> Any:
    if isinstance(value, str):
        value = registry.make(role, value)
    ask = getattr(value, "ask", None)
    if ask is not None:
        return AsyncAsker(value) if inspect.iscoroutinefunction(ask) else value
    if callable(value):
        return FunctionAsker(value)
    raise InvalidInputError(
        f"{value!r} is no {role.upper()}: pass a registry name, an object with ask(), or a "
        "function of one Question."
    )


@frozen
class FunctionAsker:
    """A VLM or an LLM around a function of one question, ``async`` or not."""

    function: AskFunction

    @property
    def identity(self) -> str:
        """Name and digest of the function and of all it sees; :mod:`phyrefine.identities`."""
        return identity(self.function)

    def ask(self, question: Question) -> Answer:
        """Call the function.

        Raises:
            WrongReplyError: It returned neither text, nor a mapping, nor an ``Answer``.
        """
        return _answer(finish(self.function(question)), question, name_of(self.function))


@frozen
class AsyncAsker:
    """A VLM or an LLM whose ``ask`` is ``async``."""

    backend: Any

    @property
    def identity(self) -> str:
        """The backend's."""
        return identity(self.backend)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "backend":
            raise AttributeError(name)
        return getattr(self.backend, name)

    def ask(self, question: Question) -> Answer:
        """Ask on an event loop of ours and wait.

        Raises:
            WrongReplyError: It returned neither text, nor a mapping, nor an ``Answer``.
        """
        return _answer(finish(self.backend.ask(question)), question, name_of(self.backend))


def _answer(said: Any, question: Question, name: str) -> Answer:
    if isinstance(said, Answer):
        if not isinstance(said.text, str):
            raise WrongReplyError.of(name, question, f"an Answer whose text is {said.text!r}")
        return said
    if isinstance(said, Mapping):
        try:
            said = json.dumps(dict(said), ensure_ascii=False)
        except (TypeError, ValueError) as error:
            raise WrongReplyError.of(
                name, question, f"a mapping that is no JSON ({error})"
            ) from error
    if not isinstance(said, str):
        raise WrongReplyError.of(name, question, f"{said!r} ({type(said).__name__})")
    if not said.strip():
        raise WrongReplyError.of(name, question, "an empty text")
    return Answer(said, usage=Usage(calls=1))


@frozen
class FunctionGenerator:
    """A video generator around ``shot -> frames``, ``async`` or not."""

    function: GenerateFunction
    profile: GeneratorProfile = field(factory=lambda: GeneratorProfile(name="function"))

    @property
    def identity(self) -> str:
        """Name and digest of the function and of all it sees; :mod:`phyrefine.identities`."""
        return identity(self.function)

    def generate(self, shot: Shot) -> Clip:
        """Call the function and deliver exactly what was asked for.

        Raises:
            GenerationError: It returned something that is no video, or too short a one.
        """
        made = finish(self.function(shot))
        fps = self.profile.fps or shot.fps
        try:
            _refuse_what_is_no_video(made)
            if not isinstance(made, Clip):
                is_images = isinstance(made, list | tuple) and made and hasattr(made[0], "convert")
                made = (Clip.from_images if is_images else Clip.from_array)(made, fps)
            return deliver(made, frames=shot.frames, fps=shot.fps, size=shot.size)
        except VideoError as error:
            raise GenerationError(
                f"The generator function {name_of(self.function)} returned no usable video: "
                f"{error}",
                provider="function",
            ) from error


def _refuse_what_is_no_video(made: Any) -> None:
    """Say what to return instead of what people return most often.

    Raises:
        VideoError: It is nothing, a path, bytes, a dictionary, a generator or a batch of videos.
    """
    if made is None:
        raise VideoError("it returned None: return the frames (is a `return` missing?)")
    if isinstance(made, str | PathLike):
        raise VideoError(f"it returned the path {str(made)!r}: return Clip.read(path)")
    if isinstance(made, bytes | bytearray):
        raise VideoError("it returned bytes: return Clip.from_bytes(data)")
    if isinstance(made, Mapping):
        keys = ", ".join(map(repr, made))
        raise VideoError(f"it returned a dictionary with {keys}: return its frames")
    if isinstance(made, Iterator):
        raise VideoError("it returned a Python generator: return list(frames)")
    if hasattr(made, "frames") and not isinstance(made, Clip):
        raise VideoError("it returned a pipeline's output: return output.frames[0]")
    nested = isinstance(made, list | tuple) and made and isinstance(made[0], list | tuple)
    batch = getattr(made, "ndim", 0) == 5
    if batch or (nested and hasattr(made[0][0] if made[0] else None, "convert")):
        raise VideoError(f"it returned a batch of {len(made)} videos: return the first, frames[0]")


@frozen
class AsyncVideoGenerator:
    """A video generator whose ``generate`` is ``async``; it does not stream."""

    backend: Any

    @property
    def identity(self) -> str:
        """The backend's."""
        return identity(self.backend)

    @property
    def profile(self) -> GeneratorProfile:
        """The backend's."""
        profile: GeneratorProfile = evolve(self.backend.profile, streaming=False)
        return profile

    def generate(self, shot: Shot) -> Clip:
        """Generate on an event loop of ours and wait.

        Raises:
            GenerationError: What came is no clip.
        """
        made = finish(self.backend.generate(shot))
        if not isinstance(made, Clip):
            raise GenerationError(
                f"{name_of(self.backend)}.generate() must return a Clip, not "
                f"{type(made).__name__}.",
                provider="function",
            )
        return made
