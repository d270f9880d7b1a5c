"""Gemini's answers and errors: every way an answer can be empty, told apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from phyrefine._json import parse_json
from phyrefine.backends.calling.asking import plain_text, truncated
from phyrefine.backends.calling.exceptions import from_exception
from phyrefine.backends.calling.faults import (
    Reply,
    cut_answer,
    empty_answer,
    error_inside,
    from_reply,
)
from phyrefine.backends.calling.policy import Fault, FaultSignalError
from phyrefine.backends.calling.service import Service
from phyrefine.errors import BadOutputError, BlockedError, ServerFaultError
from phyrefine.types import Answer, Usage

BLOCKING = frozenset(
    {"SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY",
     "MODEL_ARMOR", "JAILBREAK"}
)  # fmt: skip
# CONTINUATION: the model was cut off in the middle and could go on.
CUT = frozenset({"MAX_TOKENS", "CONTINUATION"})
# These say that the service broke off, not that the model ended.
BROKEN = frozenset({"ERROR", "INTERNAL_ERROR", "NETWORK_ERROR", "CANCELLED", "ABORTED"})


def read(service: Service, raw: str | None, limit: int) -> Answer:
    """The answer in the body of ``generateContent``.

    The body is read here, not by the SDK, which drops what its models do not know: errors under
    200, new finish reasons.

    Args:
        service: Who answered.
        raw: The body.
        limit: ``max_output_tokens`` that was sent, for messages.

    Raises:
        FaultSignalError: Blocked, cut off, empty, or an error under 200.
        json.JSONDecodeError: No JSON.
    """
    body = parse_json(raw) if raw else {}
    body = body if isinstance(body, dict) else {}
    if body.get("error"):
        raise FaultSignalError(error_inside(service, body["error"]))
    usage = _usage(_key(body, "usageMetadata") or {})
    candidates = body.get("candidates") or []
    reason = _key(_key(body, "promptFeedback") or {}, "blockReason")
    if reason and not candidates:
        raise FaultSignalError(_blocked_prompt(service, str(reason), usage))
    if not candidates:
        raise FaultSignalError(empty_answer(service))
    candidate = candidates[0]
    text, finish = _text(candidate), str(_key(candidate, "finishReason") or "STOP").upper()
    fault = _fault(service, finish, text, usage, limit, _key(candidate, "finishMessage"))
    if fault is not None:
        raise FaultSignalError(fault)
    return Answer(plain_text(text, service), _key(body, "modelVersion"), usage, finish.lower())


def _key(value: Mapping[str, Any], camel: str) -> Any:
    """A key in camelCase, or in snake_case as some gateways send it."""
    snake = "".join(f"_{char.lower()}" if char.isupper() else char for char in camel)
    return value.get(camel, value.get(snake))


def _text(candidate: Mapping[str, Any]) -> str:
    parts = (candidate.get("content") or {}).get("parts") or []
    return "".join(str(part.get("text") or "") for part in parts if not part.get("thought"))


def _fault(
    service: Service, finish: str, text: str, usage: Usage, limit: int, said: str | None
) -> Fault | None:
    words = f" ({service.words(said)})" if said else ""
    if finish in CUT:
        return truncated(service, text, usage, limit)
    if finish in BLOCKING:
        error = service.error(
            BlockedError, f"{service.title} blocked its answer: {finish}{words}.", where="output"
        )
        return Fault(error, retries=1, usage=usage)
    if finish in BROKEN:
        message = f"{service.title} broke off its answer ({finish}{words})."
        return Fault(service.error(ServerFaultError, message), unwell=True, usage=usage)
    if finish not in ("STOP", "FINISH_REASON_UNSPECIFIED"):
        message = f"{service.title} ended with {service.words(finish)}{words} and no usable answer."
        error = service.error(BadOutputError, message, raw=text)
        return Fault(error, retries=2, change="seed", usage=usage)
    return None if text.strip() else evolve(empty_answer(service), usage=usage)


def _blocked_prompt(service: Service, reason: str, usage: Usage) -> Fault:
    message = f"{service.title} blocked the prompt: {reason}. Change the description or the clip."
    error = service.error(BlockedError, message, where="prompt")
    return Fault(error, retries=0, usage=usage)


def _usage(counted: Mapping[str, Any]) -> Usage:
    """Disjoint counts: cached is not in input. Gemini's output has no thinking in it."""
    cached = _key(counted, "cachedContentTokenCount") or 0
    counts = {
        "input": max(0, (_key(counted, "promptTokenCount") or 0) - cached),
        "output": _key(counted, "candidatesTokenCount") or 0,
        "thinking": _key(counted, "thoughtsTokenCount") or 0,
        "cached": cached,
    }
    return Usage(calls=1, tokens={kind: n for kind, n in counts.items() if n}, usd=None)


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
    if isinstance(raised, KeyError):  # the SDK met an answer without a field it relies on
        return cut_answer(service, f"no {raised} in it")
    return from_reply(service, reply) if reply is not None else from_exception(service, raised)
