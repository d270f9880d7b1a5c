"""Every error phyrefine raises on purpose.

::

    PhyrefineError
    ├── MissingDependencyError        an extra is not installed (also an ImportError)
    ├── InvalidInputError             the caller's input cannot be used (also a ValueError)
    │   ├── VideoError                a file or array is not a usable video
    │   ├── PromptTooLongError        a prompt does not fit the generator and may not be cut
    │   └── UnknownBackendError       no backend of that name
    ├── BackendError                  a VLM, LLM or video generator failed
    │   ├── RateLimitedError          429; says how long the server asked us to wait
    │   ├── QuotaExceededError        quota or credit is used up: waiting does not help
    │   ├── OverloadedError           503, 529
    │   ├── ServerFaultError          any other 5xx, or an answer that is none
    │   ├── ConnectionFaultError      refused, reset, DNS
    │   ├── BackendTimeoutError       no answer within the deadline (also a TimeoutError)
    │   ├── AuthError                 key missing, invalid, or without access
    │   ├── BadRequestError           a request the service will never accept
    │   │   ├── ContextTooLongError   too many tokens, frames or bytes
    │   │   └── ModelNotFoundError    unknown or retired model
    │   ├── BlockedError              a safety filter stopped the prompt or the output
    │   ├── RefusedError              the model declined in words
    │   ├── TruncatedError            the output limit cut the answer
    │   ├── BadOutputError            an answer that cannot be understood
    │   ├── WrongReplyError           a backend that does not answer in the form it is asked for
    │   ├── UploadError               a file could not be handed over
    │   └── GenerationError           a video generator failed or broke its contract
    │       ├── GeneratorMemoryError  the device ran out of memory
    │       └── GeneratorLostError    its process or machine was lost, several times
    ├── BudgetExceededError           money, tokens, time or loops are spent
    └── RunError                      a run folder cannot be used
        ├── RunLockedError            another process is using it
        ├── RunMismatchError          it belongs to another experiment
        └── StoreError                something stored cannot be read or written
"""

from __future__ import annotations

import json
from typing import Any


class PhyrefineError(Exception):
    """Base of all errors phyrefine raises on purpose."""


class MissingDependencyError(PhyrefineError, ImportError):
    """A package of an optional extra is not installed."""


class InvalidInputError(PhyrefineError, ValueError):
    """The caller's input cannot be used."""


class VideoError(InvalidInputError):
    """A file or an array is not a usable video."""


class PromptTooLongError(InvalidInputError):
    """A prompt does not fit the generator and may not be cut."""


class UnknownBackendError(InvalidInputError):
    """No backend is registered under that name."""


class BackendError(PhyrefineError):
    """A VLM, an LLM or a video generator failed.

    Args:
        message: One line: what went wrong, the value seen, what to do. Never a key.
        provider: Registry name of the backend, for example ``"gemini"``.
        model: Model that was asked.
        status: HTTP status, when there was one.
        request_id: The service's id of the request.
        retry_after: Seconds the service asked us to wait.
        attempts: How often the call was tried.
        usage: What all tries took (a ``phyrefine.types.Usage``), where it is known.
    """

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        attempts: int = 1,
        usage: Any = None,
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.model = model
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after
        self.attempts = attempts
        self.usage = usage


class RateLimitedError(BackendError):
    """The service asks us to slow down."""


class QuotaExceededError(BackendError):
    """A quota or credit is used up; waiting a minute does not help."""


class OverloadedError(BackendError):
    """The service is up but has no capacity."""


class ServerFaultError(BackendError):
    """The service failed, or answered something that is no answer."""


class ConnectionFaultError(BackendError):
    """The service could not be reached, or hung up."""


class BackendTimeoutError(BackendError, TimeoutError):
    """No complete answer within the deadline."""


class AuthError(BackendError):
    """The key is missing, invalid, or has no access."""


class BadRequestError(BackendError):
    """The service will never accept this request."""


class ContextTooLongError(BadRequestError):
    """Too many tokens, frames or bytes for the model."""


class ModelNotFoundError(BadRequestError):
    """The model is unknown or retired."""


class BlockedError(BackendError):
    """A safety filter stopped the prompt or the output (``where``)."""

    def __init__(self, message: str, *, where: str = "output", **details: object) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]
        self.where = where


class RefusedError(BackendError):
    """The model declined in words."""


class TruncatedError(BackendError):
    """The output limit cut the answer; what arrived is in ``partial``."""

    def __init__(self, message: str, *, partial: str = "", **details: object) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]
        self.partial = partial


class BadOutputError(BackendError):
    """The answer cannot be understood; the raw text is in ``raw``."""

    def __init__(self, message: str, *, raw: str = "", **details: object) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]
        self.raw = raw


class WrongReplyError(BackendError):
    """A backend does not answer in the form it is asked for, so that asking again will not help.

    ``raw`` holds what came; ``refinement`` what was finished before, if there was a run.
    """

    def __init__(self, message: str, *, raw: str = "", **details: object) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]
        self.raw = raw
        self.refinement: Any = None

    @classmethod
    def of(cls, name: str, question: Any, came: str, why: str = "") -> WrongReplyError:
        """The error for what came, with an example of what ``question`` asks for.

        Args:
            name: What the reader knows the backend by.
            question: A ``phyrefine.types.Question``.
            came: What came, in words.
            why: What is wrong with it, where that is not obvious.
        """
        form = "a text"
        if question.schema is not None:
            form = f"a text that is JSON after question.schema, like {example_of(question.schema)}"
        shown = came if len(came) <= 200 else f"{came[:197]}..."
        because = f" ({why.rstrip('.')})" if why else ""
        return cls(
            f"{name} returned {shown} in the {question.stage} stage{because}. Expected: {form}.",
            raw=came,
        )


def example_of(schema: Any) -> str:
    """A short JSON text in the form of a reply's schema."""
    return json.dumps(_example(schema), ensure_ascii=False)


def _example(schema: Any) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: _example(part) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [_example(schema.get("items", {}))]
    return {"number": 0.5, "integer": 1, "boolean": True, "null": None}.get(str(kind), "...")


class UploadError(BackendError):
    """A file could not be handed to the service."""


class GenerationError(BackendError):
    """A video generator failed or broke its contract."""


class GeneratorMemoryError(GenerationError):
    """The device ran out of memory."""


class GeneratorLostError(GenerationError):
    """The process or machine that made a clip was lost, as often as it was tried."""


class BudgetExceededError(PhyrefineError):
    """Money, tokens, time or loops are spent."""


class RunError(PhyrefineError):
    """A run folder cannot be used."""


class RunLockedError(RunError):
    """Another process is using the run folder."""


class RunMismatchError(RunError):
    """The run folder belongs to another experiment."""


class StoreError(RunError):
    """Something stored cannot be read or written."""
