"""Anything usable as a backend becomes one: a registry name, an object, a bare callable."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

from attrs import field, frozen

from phyrefine import registry
from phyrefine.errors import GenerationError, InvalidInputError, VideoError
from phyrefine.protocols import LLM, VLM, VideoGenerator
from phyrefine.types import Answer, GeneratorProfile, Question, Shot
from phyrefine.video.clip import Clip
from phyrefine.video.delivery import deliver


def as_vlm(value: Any) -> VLM:
    """A VLM from a registry name, an object with ``ask``, or ``question -> str``."""
    made: VLM = _as_asker("vlm", value)
    return made


def as_llm(value: Any) -> LLM:
    """An LLM from a registry name, an object with ``ask``, or ``question -> str``."""
    made: LLM = _as_asker("llm", value)
    return made


def as_generator(value: Any) -> VideoGenerator:
    """A video generator from a registry name, an object with ``generate``, or a callable.

    A callable takes a :class:`~phyrefine.types.Shot` and returns the new frames: a ``Clip``, a
    list of PIL images, or an array or tensor as ``Clip.from_array`` takes it.

    Raises:
        InvalidInputError: ``value`` is none of these.
    """
    if isinstance(value, str):
        value = registry.make("generator", value)
    if hasattr(value, "generate") and hasattr(value, "profile"):
        object_made: VideoGenerator = value
        return object_made
    if callable(value):
        return FunctionGenerator(value)
    raise InvalidInputError(
        f"{value!r} is no video generator: pass a registry name, an object with generate() and "
        "profile, or a function of one Shot."
    )


def _as_asker(role: registry.Role, value: Any) -> Any:
    if isinstance(value, str):
        value = registry.make(role, value)
    if hasattr(value, "ask"):
        return value
    if callable(value):
        return FunctionAsker(value)
    raise InvalidInputError(
        f"{value!r} is no {role.upper()}: pass a registry name, an object with ask(), or a "
        "function of one Question."
    )


def _function_identity(function: Callable[..., Any]) -> str:
    name = f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', function)}"
    name = name.partition(" at 0x")[0]
    code = getattr(function, "__code__", None)
    try:
        body = inspect.getsource(function)
    except (OSError, TypeError):  # defined in a C extension or an interactive session
        body = code.co_code.hex() if code is not None else repr(type(function))
    # The source gives whole lines, which two lambdas may share; and a function made twice by
    # another one differs in what it captured.
    body += "".join(_constants(code)) if code is not None else ""
    body += repr([*_captured(function)])
    return f"{name}:{hashlib.blake2b(body.encode(), digest_size=8).hexdigest()}"


def _constants(code: CodeType) -> Iterator[str]:
    yield repr(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _constants(constant)
        else:
            yield repr(sorted(constant, key=repr) if isinstance(constant, frozenset) else constant)


def _captured(function: Callable[..., Any]) -> Iterator[Any]:
    """Plain values of a closure and of defaults; objects have no words that last."""
    cells = getattr(function, "__closure__", None) or ()
    values: list[Any] = list(getattr(function, "__defaults__", None) or ())
    for cell in cells:
        with contextlib.suppress(ValueError):  # not filled yet
            values.append(cell.cell_contents)
    yield from (value for value in values if isinstance(value, str | int | float | None))


@frozen
class FunctionAsker:
    """A VLM or an LLM around ``question -> str`` (or an :class:`~phyrefine.types.Answer`)."""

    function: Callable[[Question], str | Answer]

    @property
    def identity(self) -> str:
        """Name and source digest of the function: edit it, and stored replies do not count."""
        return _function_identity(self.function)

    def ask(self, question: Question) -> Answer:
        """Call the function."""
        said = self.function(question)
        return said if isinstance(said, Answer) else Answer(str(said))


@frozen
class FunctionGenerator:
    """A video generator around ``shot -> frames``."""

    function: Callable[[Shot], Any]
    profile: GeneratorProfile = field(factory=lambda: GeneratorProfile(name="function"))

    @property
    def identity(self) -> str:
        """Name and source digest of the function: edit it, and stored clips do not count."""
        return _function_identity(self.function)

    def generate(self, shot: Shot) -> Clip:
        """Call the function and deliver exactly what was asked for.

        Raises:
            GenerationError: It returned something that is no video, or too short a one.
        """
        made = self.function(shot)
        fps = self.profile.fps or shot.fps
        try:
            if not isinstance(made, Clip):
                is_images = isinstance(made, list | tuple) and made and hasattr(made[0], "convert")
                made = (Clip.from_images if is_images else Clip.from_array)(made, fps)
            return deliver(made, frames=shot.frames, fps=shot.fps, size=shot.size)
        except VideoError as error:
            raise GenerationError(
                f"The generator function {getattr(self.function, '__name__', '?')} returned no "
                f"usable video: {error}",
                provider="function",
            ) from error
