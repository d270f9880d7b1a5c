"""A limit on how long one call of a backend may take."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from attrs import define, field

from phyrefine.errors import BackendTimeoutError
from phyrefine.protocols import LLM, VLM, identity
from phyrefine.types import Answer, Chunk, GeneratorProfile, Question, Shot
from phyrefine.video.clip import Clip

T = TypeVar("T")


@define
class _Clock:
    """Runs calls in threads and waits for each no longer than ``seconds``.

    Python cannot end a thread, so a call that is late goes on in the background and its result is
    discarded.
    """

    seconds: float
    what: str
    _late: threading.Thread | None = field(default=None, init=False)

    def call(self, work: Callable[[], T], *, alone: bool, clips: int = 1) -> T:
        """The work's result; with ``alone`` a late call before it must have ended.

        Args:
            work: What to do.
            alone: See above.
            clips: Clips made at once; each has ``seconds``.
        """
        limit = self.seconds * clips
        if alone and self._late is not None:
            self._late.join(self.seconds)
            if self._late.is_alive():
                raise BackendTimeoutError(
                    f"The {self.what} is still busy with a call that took longer than "
                    f"{self.seconds:g} s. Raise the limit, or find out why it hangs."
                )
        done: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

        def run() -> None:
            try:
                done.put((True, work()))
            except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
                done.put((False, error))

        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(run,), daemon=True)
        thread.start()
        try:
            fine, result = done.get(timeout=limit)
        except queue.Empty:
            self._late = thread
            raise BackendTimeoutError(
                f"The {self.what} gave no result within {limit:g} s."
            ) from None
        if not fine:
            raise result
        answer: T = result
        return answer


@define
class TimedAsker:
    """A VLM or an LLM whose every call has a limit.

    Attributes:
        backend: The one that answers.
        seconds: Longest call.
    """

    backend: VLM | LLM
    seconds: float
    _clock: _Clock = field(init=False, repr=False)

    @_clock.default
    def _make_clock(self) -> _Clock:
        return _Clock(self.seconds, f"model {identity(self.backend)}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "backend":
            raise AttributeError(name)
        return getattr(self.backend, name)

    @property
    def identity(self) -> str:
        """The backend's."""
        return identity(self.backend)

    def ask(self, question: Question) -> Answer:
        """Ask.

        Raises:
            BackendTimeoutError: No answer within ``seconds``.
        """
        return self._clock.call(lambda: self.backend.ask(question), alone=False)


@define
class TimedGenerator:
    """A video generator whose every clip, or chunk where it streams, has a limit.

    The device counts as busy until a late call has truly ended.

    Attributes:
        backend: The one that generates.
        seconds: Longest call.
    """

    backend: Any
    seconds: float
    _clock: _Clock = field(init=False, repr=False)

    @_clock.default
    def _make_clock(self) -> _Clock:
        return _Clock(self.seconds, f"video generator {self.backend.profile.name}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "backend":
            raise AttributeError(name)
        return getattr(self.backend, name)

    @property
    def identity(self) -> str:
        """The backend's."""
        return identity(self.backend)

    @property
    def profile(self) -> GeneratorProfile:
        """The backend's."""
        profile: GeneratorProfile = self.backend.profile
        return profile

    def generate(self, shot: Shot) -> Clip:
        """Generate.

        Raises:
            BackendTimeoutError: No clip within ``seconds``, or a late call is not over yet.
        """
        clip: Clip = self._clock.call(lambda: self.backend.generate(shot), alone=True)
        return clip

    def stream(self, shot: Shot) -> Iterator[Chunk]:
        """Stream; each chunk has the limit.

        Raises:
            BackendTimeoutError: No chunk within ``seconds``, or a late call is not over yet.
        """
        chunks = self.backend.stream(shot)
        while True:
            chunk: Chunk | None = self._clock.call(lambda: next(chunks, None), alone=True)
            if chunk is None:
                return
            yield chunk

    def generate_many(self, shots: Sequence[Shot]) -> Sequence[Clip]:
        """Generate in one call, which may take as long as its clips one by one.

        Raises:
            BackendTimeoutError: As :meth:`generate`.
        """
        clips: Sequence[Clip] = self._clock.call(
            lambda: self.backend.generate_many(shots), alone=True, clips=len(shots)
        )
        return clips

    def stream_many(self, shots: Sequence[Shot]) -> Iterator[Sequence[Chunk]]:
        """Stream in one call; the chunks of all shots have the limit of as many chunks.

        Raises:
            BackendTimeoutError: As :meth:`stream`.
        """
        live = iter(self.backend.stream_many(shots))
        while True:
            chunks: Sequence[Chunk] | None = self._clock.call(
                lambda: next(live, None), alone=True, clips=len(shots)
            )
            if chunks is None:
                return
            yield chunks

    def deliver(self, shot: Shot, chunks: Sequence[Clip]) -> Clip:
        """The backend's."""
        clip: Clip = self.backend.deliver(shot, chunks)
        return clip
