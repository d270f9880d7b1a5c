"""Gemini's answers and errors: every way an answer can be empty, told apart."""

from __future__ import annotations

from typing import Any

from phyrefine.backends.asking import plain_text
from phyrefine.backends.calling import Fault, FaultSignalError
from phyrefine.backends.faults import Reply, empty_answer, error_inside, from_exception, from_reply
from phyrefine.backends.service import Service
from phyrefine.errors import BadOutputError, BlockedError, TruncatedError
from phyrefine.types import Answer, Usage

BLOCKING = frozenset(
    {"SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY"}
)


def read(service: Service, response: Any, limit: int) -> Answer:
    """The answer in a ``GenerateContentResponse``.

    Args:
        service: Who answered.
        response: What the SDK gave.
        limit: ``max_output_tokens`` that was sent, for messages.

    Raises:
        FaultSignalError: Blocked, cut off, empty, or an error under 200.
    """
    usage = _usage(response)
    extra = getattr(response, "model_extra", None) or {}
    if "error" in extra:
        raise FaultSignalError(error_inside(service, extra["error"]))
    reason = getattr(response.prompt_feedback, "block_reason", None)
    if reason is not None and not response.candidates:
        raise FaultSignalError(_blocked_prompt(service, _word(reason), usage))
    if not response.candidates:
        raise FaultSignalError(empty_answer(service))
    candidate = response.candidates[0]
    text, finish = _text(candidate), _word(candidate.finish_reason) or "STOP"
    fault = _fault(service, finish, text, usage, limit, candidate.finish_message)
    if fault is not None:
        raise FaultSignalError(fault)
    return Answer(plain_text(text, service), response.model_version, usage, finish.lower())


def _word(value: Any) -> str:
    return str(getattr(value, "value", value) or "")


def _text(candidate: Any) -> str:
    parts = (candidate.content.parts if candidate.content else None) or []
    return "".join(part.text for part in parts if part.text and not part.thought)


def _fault(
    service: Service, finish: str, text: str, usage: Usage, limit: int, said: str | None
) -> Fault | None:
    words = f" ({service.words(said)})" if said else ""
    if finish == "MAX_TOKENS":
        return truncated(service, text, usage, limit)
    if finish in BLOCKING:
        error = service.error(
            BlockedError, f"{service.title} blocked its answer: {finish}{words}.", where="output"
        )
        return Fault(error, retries=1, usage=usage)
    if finish not in ("STOP", "FINISH_REASON_UNSPECIFIED"):
        message = f"{service.title} ended with {service.words(finish)}{words} and no usable answer."
        error = service.error(BadOutputError, message, raw=text)
        return Fault(error, retries=2, change="seed", usage=usage)
    return None if text.strip() else _empty(service, usage)


def _empty(service: Service, usage: Usage) -> Fault:
    fault = empty_answer(service)
    return Fault(fault.error, retries=fault.retries, usage=usage)


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


def _blocked_prompt(service: Service, reason: str, usage: Usage) -> Fault:
    message = f"{service.title} blocked the prompt: {reason}. Change the description or the clip."
    error = service.error(BlockedError, message, where="prompt")
    return Fault(error, retries=0, usage=usage)


def _usage(response: Any) -> Usage:
    meta = response.usage_metadata
    tokens = {}
    if meta is not None:
        cached = meta.cached_content_token_count or 0
        counts = {
            "input": max(0, (meta.prompt_token_count or 0) - cached),
            "output": meta.candidates_token_count or 0,
            "thinking": meta.thoughts_token_count or 0,
            "cached": cached,
        }
        tokens = {kind: count for kind, count in counts.items() if count}
    return Usage(calls=1, tokens=tokens, usd=None)


def reply_of(raised: BaseException) -> Reply | None:
    """The HTTP answer inside an SDK error, or ``None`` when there was none."""
    response, code = getattr(raised, "response", None), getattr(raised, "code", None)
    if response is None or not isinstance(code, int):
        return None
    headers = {str(name).lower(): str(value) for name, value in dict(response.headers).items()}
    return Reply(code, getattr(raised, "details", None), headers)


def classify(service: Service, raised: BaseException) -> Fault:
    """The fault behind any exception of a try."""
    reply = reply_of(raised)
    return from_reply(service, reply) if reply is not None else from_exception(service, raised)
