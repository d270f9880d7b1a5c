"""What both API adapters do around a call: options, substituted models, the finished answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self, TypeVar

from attrs import define, evolve, field, frozen, validators

from phyrefine._thoughts import without_thoughts
from phyrefine.backends.calling.caller import Caller
from phyrefine.backends.calling.excerpt import ANSWER_CHARS, tidy
from phyrefine.backends.calling.pacing import Pacer, pacer_of
from phyrefine.backends.calling.policy import Clock, Done, Fault, Policy, SystemClock
from phyrefine.backends.calling.service import Service
from phyrefine.errors import InvalidInputError, TruncatedError
from phyrefine.types import Answer, Question, Usage

logger = logging.getLogger(__name__)
T = TypeVar("T")


@frozen
class Sampling:
    """How a model shall answer; ``None`` leaves it to the service and is not sent.

    Attributes:
        max_tokens: Most tokens of an answer, thinking included. Doubled once when it cuts one.
        temperature: Randomness. Newer models ignore or refuse it.
        top_p: Nucleus sampling.
        seed: Best effort at the services; repeated looks add their number.
        thinking: Effort in words (``"low"``), or a number of tokens where a family takes one.
    """

    max_tokens: int = field(default=8192, validator=validators.ge(1))
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    thinking: str | int | None = None


# Of Patience: these change when an answer comes, never what it says.
FREE_OPTIONS = ("timeout", "max_retries", "retry_budget", "outage")


class Portable:
    """Goes to another process by being made anew there, with the same arguments.

    Keys from the environment do not travel; the other process has its own.
    """

    _made_with: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **options: Any) -> Self:
        """Note the arguments."""
        made = super().__new__(cls)
        made._made_with = args, options
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """Made anew from the arguments.

        Raises:
            InvalidInputError: Around a client of the user's, which cannot travel.
        """
        args, options = self._made_with
        for name in ("client", "http_client"):
            if options.get(name) is not None:
                raise InvalidInputError(
                    f"{type(self).__name__}({name}=...) cannot go to another process: give it "
                    "base_url=, headers= and the like instead, and it makes its client there."
                )
        return _remade, (type(self), args, options)


class Watching(Protocol):
    """What :class:`TextOnly` needs of the model around which it stands."""

    service: Service

    def _identity(self, looking: dict[str, Any]) -> str: ...

    def ask(self, question: Question) -> Answer: ...  # noqa: D102 - as VLM's

    def close(self) -> None: ...  # noqa: D102 - as VLM's


class TextOnly(Portable):
    """A model of a service as the rewriter: the same client, no clips.

    Args:
        vlm: The adapter that asks.
    """

    def __init__(self, vlm: Watching) -> None:
        self._vlm = vlm
        self.service = vlm.service

    @property
    def identity(self) -> str:
        """Model, server and every setting that changes the output."""
        return self._vlm._identity({})  # noqa: SLF001 - without what only clips need

    @property
    def model(self) -> str:
        """Model asked for; the one that answers is in ``Answer.model``."""
        return self.service.model

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    def ask(self, question: Question) -> Answer:
        """Answer one question; its clips are not looked at.

        Raises:
            BackendError: The model could not answer; the subclass says why.
        """
        return self._vlm.ask(evolve(question, clips=(), labels=()))

    def close(self) -> None:
        """Close the connections, unless they were given."""
        self._vlm.close()


def _remade(kind: type[T], args: tuple[Any, ...], options: dict[str, Any]) -> T:
    return kind(*args, **options)


@define
class Patience:
    """Keyword arguments that every API adapter shares, turned into a caller.

    Attributes:
        timeout: Seconds one try may take, from first to last byte.
        max_retries: Retries after the first try, for faults that may pass.
        retry_budget: Seconds one call may take, tries and waits together.
        outage: Longest pause in seconds when the service is down; 0 never pauses.
        clock: For the waits; tests bring their own.
        pacer: Decides when requests go out, see :mod:`phyrefine.backends.calling.pacing`; by
            default the one that all clients of the model share.
    """

    timeout: float = Policy().timeout
    max_retries: int = Policy().max_retries
    retry_budget: float = Policy().retry_budget
    outage: float = Policy().outage
    clock: Clock = field(factory=SystemClock)
    pacer: Pacer | None = None

    def caller(
        self, service: Service, classify: Callable[[Exception], Fault], *, about: str | None = None
    ) -> Caller:
        """A caller at the pacer that all clients of the model share.

        Args:
            service: Who is asked.
            classify: Turns any exception of a try into a fault.
            about: What else than the model is asked, with a pacer of its own: ``"files"``.

        Raises:
            InvalidInputError: A value out of range.
        """
        policy = checked(
            Policy,
            timeout=self.timeout,
            max_retries=self.max_retries,
            retry_budget=self.retry_budget,
            outage=self.outage,
        )
        shared = pacer_of(service.provider, service.endpoint, about or service.model)
        pacer = shared if self.pacer is None or about else self.pacer
        return Caller(pacer, classify, policy, self.clock)


def identity(service: Service, usual_endpoint: bool, *settings: Mapping[str, Any]) -> str:
    """Model, endpoint and every setting that changes the output, in one line; never a key."""
    merged = {name: value for part in settings for name, value in part.items()}
    kept = {name: value for name, value in sorted(merged.items()) if value is not None}
    where = "" if usual_endpoint else f" at {service.host}"
    return f"{service.provider}:{service.model}{where} {json.dumps(kept, default=str)}"


def checked(kind: Callable[..., T], **values: Any) -> T:
    """A frozen value of options, or what is wrong with them in one line.

    Raises:
        InvalidInputError: A value out of range.
    """
    try:
        return kind(**values)
    except (ValueError, TypeError) as error:
        raise InvalidInputError(f"Not a usable option: {error.args[0]}.") from error


def finished(done: Done[Answer], seconds: float) -> Answer:
    """The answer with everything its tries took."""
    usage = done.usage + done.value.usage + Usage(seconds=seconds)
    return evolve(done.value, usage=usage)


def plain_text(text: str, service: Service) -> str:
    """An answer without thoughts and control characters, and of a size one can keep."""
    if len(text) > ANSWER_CHARS:
        logger.warning(
            "%s sent %d characters; kept the first %d", service.model, len(text), ANSWER_CHARS
        )
    return tidy(without_thoughts(text)[:ANSWER_CHARS])


def truncated(service: Service, text: str, usage: Usage, limit: int) -> Fault:
    """The output limit cut the answer, or thinking used all of it."""
    if text.strip():
        what = f"{service.title}'s answer was cut at max_tokens={limit}: raise it, or ask for less."
    else:
        what = (
            f"all {limit} output tokens went to thinking, none to the answer: raise max_tokens, "
            "or lower thinking."
        )
    error = service.error(TruncatedError, what, partial=plain_text(text, service))
    return Fault(error, retries=1, change="longer", usage=usage)
