"""Backends whose calls are counted, priced and refused when the budget is spent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from attrs import define, evolve, field

from phyrefine.errors import BackendError, GenerationError, WrongReplyError
from phyrefine.identities import name_of
from phyrefine.protocols import LLM, VLM, Listener, batch_size_for, identity
from phyrefine.run.budget.meter import Meter
from phyrefine.run.journal import notify
from phyrefine.types import Answer, Chunk, GeneratorProfile, Question, Shot, Usage
from phyrefine.video.clip import Clip


@define
class MeteredAsker:
    """A VLM or an LLM on a meter.

    Calls that give tokens but no costs are priced by the meter's table. A backend that no service
    bills says so with an attribute ``billed = False``.

    Attributes:
        backend: The one that answers.
        meter: Counts; refuses a call before it is made when a limit is reached.
        listeners: Hear one ``call`` event per call.
    """

    backend: VLM | LLM
    meter: Meter = field(factory=Meter)
    listeners: Sequence[Listener] = ()

    @property
    def identity(self) -> str:
        """The backend's."""
        return identity(self.backend)

    def ask(self, question: Question) -> Answer:
        """Ask, and count what it took, also when it fails.

        Raises:
            BudgetExceededError: Before the call, when a limit is reached.
        """
        self.meter.check()
        begun = self.meter.clock()
        try:
            answer: Any = self.backend.ask(question)
        except BaseException as error:
            usage = _failed(error, self.meter.clock() - begun)
            self._count(question.stage, self._priced(usage), error)
            raise
        if not isinstance(answer, Answer):  # a backend of the user's own
            self._count(question.stage, Usage(calls=1), None)
            raise WrongReplyError.of(
                f"{name_of(self.backend)}.ask", question, f"{answer!r} and no Answer"
            )
        usage = evolve(
            answer.usage,
            calls=max(1, answer.usage.calls),
            seconds=self.meter.clock() - begun,
        )
        answer = evolve(answer, usage=self._priced(usage, answer.model))
        self._count(question.stage, answer.usage, None, answer.model)
        counted: Answer = answer
        return counted

    def _priced(self, usage: Usage, answered: str | None = None) -> Usage:
        asked = getattr(self.backend, "model", None)
        models = [name for name in (answered, asked) if isinstance(name, str)]
        return self.meter.price(usage, models, billed=getattr(self.backend, "billed", True))

    def _count(
        self, stage: str, usage: Usage, error: BaseException | None, model: str | None = None
    ) -> None:
        self.meter.add(stage, usage)
        details = _details(stage, self.identity, usage, error)
        notify(self.listeners, "call", details if model is None else {**details, "model": model})


@define
class MeteredGenerator:
    """A video generator on a meter.

    Its seconds count as GPU seconds, unless it says ``on_gpu = False``: waiting for a service is
    none. A generator behind a paid service says so with an attribute ``billed = True``; what a
    clip costs is then what its method ``price(shot)`` says, in US dollars, and unknown without.
    A generator whose calls wait in a queue of its own says in ``device_seconds()`` how long the
    last call of this thread was really in progress.

    Attributes:
        backend: The one that generates.
        meter: Counts; refuses a call or the next chunk when a limit is reached.
        listeners: Hear one ``call`` event per clip or chunk.
    """

    backend: Any  # a VideoGenerator; profile.streaming says whether it is a StreamingGenerator too
    meter: Meter = field(factory=Meter)
    listeners: Sequence[Listener] = ()

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
        """Generate, and count what it took, also when it fails.

        Raises:
            BudgetExceededError: Before the call, when a limit is reached.
        """
        self.meter.check()
        clip: Clip = self._counted(
            lambda: self.backend.generate(shot), lambda _: 1.0, calls=1, shots=[shot]
        )
        return clip

    def batch_size_for(self, shot: Shot) -> int:
        """The backend's."""
        return batch_size_for(self.backend, shot)

    def generate_many(self, shots: Sequence[Shot]) -> list[Clip]:
        """Generate in one call, for as many of the first shots as the budget has room for.

        Every clip counts as a call of its own that took its share of the seconds.

        Raises:
            BudgetExceededError: Before the call, when a limit is reached.
        """
        self.meter.check()
        fitting = shots[: self.meter.room(len(shots))]
        clips: list[Clip] = self._counted(
            lambda: _as_many(self.backend.generate_many(fitting), fitting),
            lambda _: 1.0,
            calls=1,
            shots=fitting,
        )
        return clips

    def stream(self, shot: Shot) -> Iterator[Chunk]:
        """Stream, counting chunk by chunk; all chunks together are one call.

        Raises:
            BudgetExceededError: Before a chunk, when a limit is reached.
        """
        for (chunk,) in self._streamed(([chunk] for chunk in self.backend.stream(shot)), [shot]):
            yield chunk

    def stream_many(self, shots: Sequence[Shot]) -> Iterator[Sequence[Chunk]]:
        """Stream in one call, for as many of the first shots as the budget has room for.

        Every chunk counts with its share of the seconds.

        Raises:
            BudgetExceededError: Before the chunks of all shots, when a limit is reached.
        """
        self.meter.check()
        fitting = shots[: self.meter.room(len(shots))]
        rounds = self.backend.stream_many(fitting)
        yield from self._streamed((_as_many(one, fitting) for one in rounds), fitting)

    def _streamed(
        self, live: Iterator[Sequence[Chunk]], shots: Sequence[Shot]
    ) -> Iterator[Sequence[Chunk]]:
        seconds = shots[0].seconds

        def share(chunks: Sequence[Chunk] | None) -> float:
            return 0.0 if chunks is None else chunks[0].clip.duration / seconds

        made = sum(clip.duration for clip in shots[0].accepted)
        calls = 1
        while True:
            # Once all seconds are there only the end of the stream is left: nothing to refuse.
            if made < seconds - 1e-6:
                self.meter.check(begun=not calls)
            chunks = self._counted(lambda: next(live, None), share, calls=calls, shots=shots)
            if chunks is None:
                return
            made += chunks[0].clip.duration
            calls = 0
            yield chunks

    def deliver(self, shot: Shot, chunks: Sequence[Clip]) -> Clip:
        """The backend's; not counted."""
        clip: Clip = self.backend.deliver(shot, chunks)
        return clip

    def _counted(
        self, work: Any, clips: Callable[[Any], float], *, calls: int, shots: Sequence[Shot]
    ) -> Any:
        """Do ``work`` and count it, in equal shares; ``clips`` says how many clips a share is."""
        begun = self.meter.clock()
        failed: BaseException | None = None
        made = 0.0
        try:
            result = work()
        except BaseException as error:
            failed = error
            raise
        else:
            made = clips(result)
            return result
        finally:
            self._count(self._seconds(begun), made, failed, calls=calls, shots=shots)

    def _count(
        self,
        seconds: float,
        made: float,
        failed: BaseException | None,
        *,
        calls: int,
        shots: Sequence[Shot],
    ) -> None:
        """One event for each shot; one for all that failed."""
        told = shots if failed is None else shots[:1]
        for shot in told:
            usage = Usage(
                calls=calls,
                seconds=seconds / len(told),
                gpu_seconds=seconds / len(told) if getattr(self._own, "on_gpu", True) else 0.0,
                usd=self._usd(shot, made),
                clips=made,
                chunks=int(made > 0),
            )
            self.meter.add("generate", usage)
            details = _details("generate", self.identity, usage, failed)
            if len(shots) > 1:
                details["together"] = len(shots)
            notify(self.listeners, "call", details)

    def _seconds(self, begun: float) -> float:
        own = getattr(self._own, "device_seconds", None)
        return float(own()) if callable(own) else self.meter.clock() - begun

    @property
    def _own(self) -> Any:
        """The user's generator behind our wrappers."""
        inner = self.backend
        while hasattr(inner, "backend"):
            inner = inner.backend
        return inner

    def _usd(self, shot: Shot, made: float) -> float | None:
        """What a call cost; a failed one is not billed by services that say their price."""
        if not getattr(self._own, "billed", False):
            return 0.0
        price = getattr(self._own, "price", None)
        whole: float | None = price(shot) if callable(price) else None
        return None if whole is None else whole * made


def _as_many(made: Iterable[Any], shots: Sequence[Shot]) -> list[Any]:
    """What a generator made, one for each shot."""
    results = list(made)
    if len(results) != len(shots):
        raise GenerationError(
            f"The video generator gave {len(results)} results for {len(shots)} shots: "
            "generate_many() must give a clip, and stream_many() a chunk, for each."
        )
    return results


def _failed(error: BaseException, seconds: float) -> Usage:
    """What a failed call took: what its adapter says, at least one call and the time."""
    if not isinstance(error, BackendError):
        return Usage(calls=1, seconds=seconds)
    said = error.usage if isinstance(error.usage, Usage) else Usage()
    return evolve(said, calls=max(said.calls, error.attempts, 1), seconds=seconds)


def _details(
    stage: str, backend: str, usage: Usage, error: BaseException | None
) -> dict[str, object]:
    failed = None if error is None else f"{type(error).__name__}: {error}"
    return {"stage": stage, "backend": backend, "usage": usage, "error": failed}
