"""OpenAI-style answers and errors, of the service itself and of servers that imitate it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from phyrefine._json import parse_json
from phyrefine._thoughts import without_thoughts
from phyrefine.backends.calling.asking import plain_text, truncated
from phyrefine.backends.calling.exceptions import from_exception
from phyrefine.backends.calling.faults import (
    Reply,
    cut_answer,
    empty_answer,
    error_inside,
    from_reply,
    not_an_answer,
)
from phyrefine.backends.calling.policy import Fault, FaultSignalError
from phyrefine.backends.calling.service import Service
from phyrefine.errors import BlockedError, RefusedError, ServerFaultError
from phyrefine.types import Answer, Usage

# Reasons for which an answer ends, in lower case, of all servers in the table and some more.
COMPLETE = frozenset(
    "stop end_turn stop_sequence eos eos_token complete completed end finish finished "
    "finish_reason_unspecified".split()
)
CUT = frozenset(
    "length max_tokens max_output_tokens model_length max_length "
    "model_context_window_exceeded".split()
)
BLOCKING = frozenset(
    "content_filter content_filtered safety sensitive refusal guardrail_intervened "
    "prohibited_content blocklist spii error_toxic".split()
)
_DECLINES = re.compile(
    r"^\W*(i['’]?m (very )?sorry|sorry|i (can(no|['’])?t|am unable to|won['’]t)|as an ai)\b",
    re.IGNORECASE,
)


def declines(text: str) -> bool:
    """Whether a reply that should hold JSON is a refusal in prose."""
    return "{" not in text and _DECLINES.search(text) is not None


def read_chat(service: Service, response: Any, limit: int) -> Answer:
    """The answer in a ``ChatCompletion``.

    Raises:
        FaultSignalError: Refused, blocked, cut off, empty, or no answer at all.
    """
    _refuse_foreign(service, response)
    if not response.choices:
        raise FaultSignalError(empty_answer(service))
    choice = response.choices[0]
    message, usage = choice.message, _usage(response.usage, "prompt", "completion")
    text = _text(message.content if message else None)
    hidden = (getattr(choice, "model_extra", None) or {}).get("error")
    if hidden:  # a gateway whose upstream failed in the middle
        raise FaultSignalError(error_inside(service, hidden))
    refusal = getattr(message, "refusal", None)
    return _read(service, response.model, text, choice.finish_reason, refusal, usage, limit)


def read_response(service: Service, response: Any, limit: int) -> Answer:
    """The answer in a ``Response`` of the responses API.

    Raises:
        FaultSignalError: As :func:`read_chat`.
    """
    _refuse_foreign(service, response)
    if response.error is not None:
        raise FaultSignalError(error_inside(service, response.error.model_dump()))
    parts = [part for item in response.output or [] for part in getattr(item, "content", []) or []]
    refusal = next((part.refusal for part in parts if part.type == "refusal"), None)
    why = getattr(response.incomplete_details, "reason", None)
    status = response.status or "completed"
    finish = why or ("stop" if status == "completed" else status)
    usage = _usage(response.usage, "input", "output")
    text = response.output_text
    return _read(service, response.model, text, finish, refusal, usage, limit)


def _refuse_foreign(service: Service, response: Any) -> None:
    """A server that answers 200 with no JSON makes the SDK return a str; errors can hide too."""
    if isinstance(response, str):
        text = response.lstrip("\ufeff \r\n\t")
        if not text:
            raise FaultSignalError(empty_answer(service))
        kind = "text/html" if text.startswith("<") else "no JSON"
        raise FaultSignalError(not_an_answer(service, text, kind))
    if not hasattr(response, "model_extra"):
        raise FaultSignalError(cut_answer(service, f"a {type(response).__name__}, no object"))
    hidden = (response.model_extra or {}).get("error")
    if hidden and not getattr(response, "choices", None):
        raise FaultSignalError(error_inside(service, hidden))


def _read(
    service: Service,
    model: str | None,
    text: str,
    finish: str | None,
    refusal: str | None,
    usage: Usage,
    limit: int,
) -> Answer:
    if refusal:
        error = service.error(RefusedError, f"{service.title} refused: {service.words(refusal)}")
        raise FaultSignalError(Fault(error, retries=0, usage=usage))
    fault = _unfinished(service, text, (finish or "stop").lower(), usage, limit)
    if fault is not None:
        raise FaultSignalError(fault)
    if not without_thoughts(text).strip():
        fault = empty_answer(service)
        raise FaultSignalError(Fault(fault.error, retries=fault.retries, usage=usage))
    return Answer(plain_text(text, service), model, usage, finish or "stop")


def _text(content: Any) -> str:
    """Text of a message; Mistral sends chunks, some of which are thoughts."""
    if isinstance(content, str) or content is None:
        return content or ""
    if not isinstance(content, list):
        return str(content)
    texts = []
    for part in content:
        values = part if isinstance(part, Mapping) else getattr(part, "__dict__", {"text": part})
        if values.get("type", "text") in ("text", "output_text"):
            texts.append(str(values.get("text") or ""))
    return "".join(texts)


def _unfinished(service: Service, text: str, finish: str, usage: Usage, limit: int) -> Fault | None:
    """The fault of an answer that did not come to its end; unknown reasons count as one."""
    if finish in COMPLETE:
        return None
    if finish in CUT:
        return truncated(service, text, usage, limit)
    if finish in BLOCKING:
        message = f"{service.title} blocked its answer: {service.words(finish)}."
        error = service.error(BlockedError, message, where="output")
        return Fault(error, retries=1, usage=usage)
    message = (
        f"{service.title} broke off its answer ({service.words(finish)}) after {len(text)} "
        "characters."
    )
    return Fault(service.error(ServerFaultError, message), unwell=True, usage=usage)


def _usage(counted: Any, given: str, made: str) -> Usage:
    """Disjoint counts: cached is not in input, thinking not in output."""
    if counted is None:
        return Usage(calls=1, usd=None)

    def detail(side: str, name: str) -> int:
        details = getattr(counted, f"{side}_tokens_details", None)
        return getattr(details, name, None) or 0

    cached, thinking = detail(given, "cached_tokens"), detail(made, "reasoning_tokens")
    counts = {
        "input": max(0, (getattr(counted, f"{given}_tokens") or 0) - cached),
        "output": max(0, (getattr(counted, f"{made}_tokens") or 0) - thinking),
        "thinking": thinking,
        "cached": cached,
    }
    return Usage(calls=1, tokens={kind: n for kind, n in counts.items() if n}, usd=None)


def reply_of(raised: BaseException) -> Reply | None:
    """The HTTP answer inside an SDK error, or ``None`` when there was none."""
    response, status = getattr(raised, "response", None), getattr(raised, "status_code", None)
    if response is None or not isinstance(status, int):
        return None
    headers = {str(name).lower(): str(value) for name, value in dict(response.headers).items()}
    try:
        body = parse_json(response.text)
    except ValueError:
        body = response.text
    return Reply(status, body, headers)


def classify(service: Service, raised: BaseException) -> Fault:
    """The fault behind any exception of a try."""
    reply = reply_of(raised)
    return from_reply(service, reply) if reply is not None else from_exception(service, raised)
