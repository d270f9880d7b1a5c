"""What both API adapters do around a call: options, substituted models, the finished answer."""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from attrs import define, evolve, field, frozen, validators

from phyrefine.backends.calling.caller import Caller
from phyrefine._thoughts import without_thoughts
from phyrefine.backends.calling.excerpt import ANSWER_CHARS, tidy
from phyrefine.backends.calling.faults import Reply
from phyrefine.backends.calling.models import is_same_model, substituted
from phyrefine.backends.calling.pacing import pacer_of
from phyrefine.backends.calling.policy import Clock, Done, Fault, Policy, SystemClock
from phyrefine.backends.calling.service import Service
from phyrefine.errors import BadRequestError, InvalidInputError, TruncatedError
from phyrefine.types import Answer, Usage

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


@define
class Patience:
    """Keyword arguments that every API adapter shares, turned into a caller.

    Attributes:
        timeout: Seconds one try may take, from first to last byte.
        max_retries: Retries after the first try, for faults that may pass.
        retry_budget: Seconds one call may take, tries and waits together.
        outage: Longest pause in seconds when the service is down; 0 never pauses.
        clock: For the waits; tests bring their own.
    """

    timeout: float = Policy().timeout
    max_retries: int = Policy().max_retries
    retry_budget: float = Policy().retry_budget
    outage: float = Policy().outage
    clock: Clock = field(factory=SystemClock)

    def caller(self, service: Service, classify: Callable[[Exception], Fault]) -> Caller:
        """A caller at the pacer that all clients of the model share.

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
        pacer = pacer_of(service.provider, service.endpoint, service.model)
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


@define
class Observed:
    """What a client has learned about its service so far.

    Attributes:
        dropped: Parameters the service does not take.
        models: Models that answered.
    """

    dropped: set[str] = field(factory=set)
    models: set[str] = field(factory=set)

    def drop(self, name: str, service: Service) -> bool:
        """Leave a parameter out from now on; ``False`` if it is out already."""
        if name in self.dropped:
            return False
        self.dropped.add(name)
        logger.warning("%s does not take %s; it is left out from now on", service.model, name)
        return True

    def answered_by(self, model: str | None, service: Service) -> None:
        """Warn once when another model answered than was asked."""
        if model is None or model in self.models:
            return
        self.models.add(model)
        if not is_same_model(service.model, model):
            text = substituted(service.provider, service.model, service.words(model))
            warnings.warn(text, UserWarning, stacklevel=3)


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


def parameter_fault(reply: Reply, fault: Fault, sent: Mapping[str, str], service: Service) -> Fault:
    """``fault``, or the news that a parameter we sent is not taken.

    Args:
        reply: The error answer.
        fault: What it looks like without a closer look.
        sent: Parameters in the request, each with a pattern that names it.
        service: Who answered.
    """
    param = str(reply.error.get("param") or "")
    text = f"{param} {reply.message}"
    is_candidate = type(fault.error) is BadRequestError or reply.status in (500, 501)
    if not is_candidate:
        return fault
    for name, pattern in sent.items():
        if re.search(pattern, text, re.IGNORECASE):
            message = f"{service.title} does not take {name}: {service.words(reply.message)}."
            error = service.error(BadRequestError, message, status=reply.status)
            return Fault(error, retries=1, change="parameter", detail=name, usage=fault.usage)
    return fault
