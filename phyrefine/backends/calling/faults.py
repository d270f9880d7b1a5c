"""What an error answer means, as an error that says what to do and whether to try again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from phyrefine._json import parse_json
from phyrefine.backends.calling.hints import error_details, output_limit, wait_hint
from phyrefine.backends.calling.models import alternatives
from phyrefine.backends.calling.policy import Fault
from phyrefine.backends.calling.service import Service
from phyrefine.errors import (
    AuthError,
    BackendTimeoutError,
    BadRequestError,
    BlockedError,
    ConnectionFaultError,
    ContextTooLongError,
    ModelNotFoundError,
    OverloadedError,
    QuotaExceededError,
    RateLimitedError,
    ServerFaultError,
)
from phyrefine.types import Usage

QUOTA_CODES = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "quota_exceeded"}
)
# An answer shorter than this is none: such a request needs less in it, not less out of it.
LEAST_OUTPUT = 256
NEVER_FITS_RETRIES = 3
# Statuses that gateways put into a body under 200, by the words they use for them.
CODE_STATUS = {
    "rate_limit_exceeded": 429,
    "insufficient_quota": 402,
    "invalid_api_key": 401,
    "model_not_found": 404,
    "context_length_exceeded": 413,
    "overloaded": 529,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "INVALID_ARGUMENT": 400,
}
_TOO_LONG = re.compile(
    r"context.?(length|window|size)|maximum context|too many (tokens|images|frames)|token count"
    r"|at most \d+ (image|video)|too large|payload size|prompt is too long|exceeds? the (max|limit)"
    r"|max(imum)?.{0,20}tokens.{0,40}exceed|longer than the maximum",
    re.IGNORECASE,
)
_BILLING = re.compile(r"billing|payment|credit", re.IGNORECASE)
_NO_CREDIT = re.compile(
    r"(credit )?balance is (too low|insufficient|not enough)"
    r"|insufficient (account )?(balance|credits?|funds|quota)|(purchase|add|buy) (more )?credits"
    r"|out of credits|overdue payment|in arrears|billing hard limit",
    re.IGNORECASE,
)
# "limit: 0" (Gemini's free tier), "Limit 0, Requested 12" (OpenAI): nothing is ever given.
_NONE_GIVEN = re.compile(r"\blimit:?\s+0(?![\d.,]*\d)", re.IGNORECASE)
_DAILY = re.compile(r"per[ -]?day\b|\b[RT]PD\b|\bdaily\b", re.IGNORECASE)
_NEVER_FITS = re.compile(r"request too large|tokens must be reduced", re.IGNORECASE)
_ASKED = re.compile(r"limit:?\s+([\d,]+).{0,80}?requested:?\s+([\d,]+)", re.IGNORECASE | re.DOTALL)
_BLOCKED = re.compile(
    r"content.?(filter|policy|management)|safety system|flagged|moderation|data_?inspection"
    r"|inappropriate content|responsible.?ai|(sensitive|unsafe|prohibited|harmful) content",
    re.IGNORECASE,
)
_RESPONSES = re.compile(r"v1/responses|responses api", re.IGNORECASE)


@frozen
class Reply:
    """An HTTP answer that is not what was hoped for.

    Attributes:
        status: HTTP status, or the one a gateway put into the body.
        body: Parsed JSON, or text.
        headers: With lower-case names.
    """

    status: int
    body: Any = None
    headers: Mapping[str, str] = {}

    @property
    def error(self) -> Mapping[str, Any]:
        """The error object, whatever the dialect."""
        body = self.body[0] if isinstance(self.body, list) and self.body else self.body
        if not isinstance(body, Mapping):
            return {}
        error = body.get("error", body)
        return error if isinstance(error, Mapping) else {"message": error}

    @property
    def message(self) -> str:
        """The server's words, and those of the service behind a gateway."""
        said = self.error.get("message") or self.error.get("detail") or self.body or ""
        text = said if isinstance(said, str) else json.dumps(said, default=str)
        behind = _behind(self.error.get("metadata"))
        return f"{text}: {behind}" if behind and behind not in text else text

    @property
    def code(self) -> str:
        """The server's short name of the fault."""
        reasons = [str(d["reason"]) for d in error_details(self.body) if d.get("reason")]
        named = (*reasons, self.error.get("code"), self.error.get("status"), self.error.get("type"))
        words = (str(name) for name in named if name and not str(name).isdigit())
        return next(words, "")

    @property
    def request_id(self) -> str | None:
        """The service's id of the request."""
        return self.headers.get("x-request-id") or self.headers.get("request-id")

    @property
    def daily_quota(self) -> str | None:
        """The id of a quota per day that is used up."""
        for detail in error_details(self.body):
            for violation in detail.get("violations", ()):
                if "PerDay" in str(violation.get("quotaId", "")):
                    return str(violation["quotaId"])
        return None


def _behind(metadata: Any) -> str:
    """What OpenRouter tells of the service behind it: its raw answer, reasons of moderation."""
    if not isinstance(metadata, Mapping):
        return ""
    raw = metadata.get("raw") or ", ".join(map(str, metadata.get("reasons") or ()))
    try:
        body = parse_json(raw) if isinstance(raw, str) else raw
    except ValueError:
        return str(raw)
    return Reply(0, body).message if isinstance(body, Mapping) else str(raw)


def from_reply(service: Service, reply: Reply) -> Fault:
    """The fault behind an error answer; services do not bill what they reject."""
    for rule in (
        _quota, _blocked, _access, _never_fits, _limits, _output_limit, _size, _missing, _server
    ):  # fmt: skip
        fault = rule(service, reply)
        if fault is not None:
            return fault
    return _fault(service, reply, BadRequestError, "rejected the request", retries=0)


def _fault(
    service: Service, reply: Reply, kind: type[Any], what: str, *, do: str = "", **more: Any
) -> Fault:
    said = service.words(reply.message)
    code = f" {reply.code}" if reply.code and reply.code not in said else ""
    message = f"{service.title} {what} ({reply.status}{code}: {said or 'no words'})."
    error = service.error(
        kind,
        f"{message} {do}".strip(),
        status=reply.status,
        request_id=reply.request_id,
        retry_after=wait_hint(reply.headers, reply.body),
    )
    return Fault(error, usage=Usage(calls=1), **more)


def _quota(service: Service, reply: Reply) -> Fault | None:
    billing = reply.code == "FAILED_PRECONDITION" and _BILLING.search(reply.message)
    named = reply.code in QUOTA_CODES or reply.error.get("type") in QUOTA_CODES
    empty = reply.status in (400, 403, 429) and _NO_CREDIT.search(reply.message)
    if reply.status == 429 and _NONE_GIVEN.search(reply.message):
        do = "Another model, or a paid plan, has one."
        what = f"gives this key no quota for {service.model} (limit 0)"
        return _fault(service, reply, QuotaExceededError, what, do=do, retries=0)
    hint = wait_hint(reply.headers, reply.body)
    daily = reply.status == 429 and hint is None and _DAILY.search(reply.message)
    if not (reply.status == 402 or named or reply.daily_quota or billing or empty or daily):
        return None
    which = f"quota {reply.daily_quota}" if reply.daily_quota else "quota or credit"
    which = "daily quota" if daily else which
    reset = "It resets at midnight Pacific time. " if reply.daily_quota else ""
    see = f"See {service.billing}." if service.billing else "See your account's billing page."
    return _fault(
        service, reply, QuotaExceededError, f"says the {which} of {service.model} is used up",
        do=reset + see, retries=0,
    )  # fmt: skip


def _access(service: Service, reply: Reply) -> Fault | None:
    bad_key = reply.code == "API_KEY_INVALID" or "api key not valid" in reply.message.lower()
    if bad_key or reply.status == 401:
        what = f"rejected the API key{' (API_KEY_INVALID)' if bad_key else ''}"
        return _fault(service, reply, AuthError, what, do=service.key_help, retries=0)
    if reply.status == 403:
        what = f"gives no access to {service.model}"
        do = "Check the key's project, its permissions, region and billing."
        return _fault(service, reply, AuthError, what, do=do, retries=0)
    return None


def _never_fits(service: Service, reply: Reply) -> Fault | None:
    """A 429 for one request that is larger than what a whole minute allows."""
    if reply.status != 429:
        return None
    asked = _ASKED.search(reply.message)
    numbers = [int(part.replace(",", "") or 0) for part in asked.groups()] if asked else [0, 0]
    if not _NEVER_FITS.search(reply.message) and numbers[1] <= numbers[0]:
        return None
    return _fault(
        service, reply, ContextTooLongError,
        f"allows {service.model} fewer tokens a minute than the request has",
        do="Send fewer or smaller frames, or raise the limit of your account.",
        retries=NEVER_FITS_RETRIES, change="smaller",
    )  # fmt: skip


def _limits(service: Service, reply: Reply) -> Fault | None:
    exhausted = reply.status == 503 and "RESOURCE_EXHAUSTED" in (
        reply.code,
        reply.error.get("status"),
    )
    if reply.status == 429 or exhausted:
        return _fault(service, reply, RateLimitedError, f"limits the rate of {service.model}")
    return None


def _output_limit(service: Service, reply: Reply) -> Fault | None:
    """``max_tokens`` is more than the model, or its context, can give."""
    if reply.status not in (400, 413, 422, 500):
        return None
    most = output_limit(f"{reply.error.get('param') or ''} {reply.message}")
    if most is None:
        return None
    if most.endswith("left") and int(most.split()[0]) < LEAST_OUTPUT:
        return None  # a matter of the input
    return _fault(
        service, reply, BadRequestError, f"gives {service.model} fewer output tokens",
        do="Lower max_tokens=.", retries=3, change="shorter", detail=most,
    )  # fmt: skip


def _size(service: Service, reply: Reply) -> Fault | None:
    wide = reply.status in (400, 422, 500) and _TOO_LONG.search(reply.message)
    if reply.status != 413 and not wide and reply.code != "context_length_exceeded":
        return None
    return _fault(
        service, reply, ContextTooLongError, f"finds the request too large for {service.model}",
        do="Send fewer or smaller frames, or a shorter text.", retries=1, change="smaller",
    )  # fmt: skip


def _blocked(service: Service, reply: Reply) -> Fault | None:
    words = f"{reply.code} {reply.message}"
    if reply.status not in (400, 403, 451) or not _BLOCKED.search(words):
        return None
    fault = _fault(service, reply, BlockedError, "blocked the prompt", retries=0)
    fault.error.where = "prompt"  # type: ignore[attr-defined]
    return fault


def _missing(service: Service, reply: Reply) -> Fault | None:
    if reply.status in (400, 404) and _RESPONSES.search(reply.message):
        what = f"answers for {service.model} by its other API only"
        do = 'Pass api="responses".'
        return _fault(service, reply, ModelNotFoundError, what, do=do, retries=0)
    if reply.status != 404:
        return None
    near = alternatives(service.provider, service.model) if service.own_models else ""
    do = f"Check the name and base_url=. {near}".strip()
    what = f"knows no model {service.model!r} at {service.endpoint}"
    return _fault(service, reply, ModelNotFoundError, what, do=do, retries=0)


def _server(service: Service, reply: Reply) -> Fault | None:
    if reply.status in (503, 529):
        what = f"has no capacity for {service.model}"
        return _fault(service, reply, OverloadedError, what, unwell=True)
    if reply.status == 408:
        return _fault(service, reply, BackendTimeoutError, "gave up waiting", unwell=True)
    if reply.status == 409 or reply.status >= 500:
        return _fault(service, reply, ServerFaultError, "failed", unwell=True)
    return None


# -- answers under 200 that are none -----------------------------------------------------------


def not_an_answer(service: Service, text: object, kind: str = "text/html") -> Fault:
    """A captive portal, a proxy's page, a wrong base URL."""
    message = (
        f"Not an API answer ({kind}) from {service.endpoint}: {service.words(text)!r}. "
        "Check base_url= and the proxy settings."
    )
    return Fault(service.error(ServerFaultError, message, status=200), retries=1)


def empty_answer(service: Service) -> Fault:
    """200 with nothing in it."""
    message = f"{service.title} gave an empty answer (200, no candidates, no text)."
    return Fault(service.error(ServerFaultError, message, status=200), retries=2)


def cut_answer(service: Service, why: object) -> Fault:
    """200 with half an answer, or bytes that are no text."""
    message = f"The answer from {service.host} was cut off or garbled ({service.words(why)})."
    error = service.error(ConnectionFaultError, message, status=200)
    return Fault(error, at_once=True, unwell=True)


def error_inside(service: Service, error: Any) -> Fault:
    """200 with ``{"error": ...}``, as gateways send: its code counts as the status."""
    reply = Reply(0, {"error": error})
    code = reply.error.get("code") or reply.error.get("status")
    status = int(str(code)) if str(code).isdigit() else CODE_STATUS.get(reply.code, 502)
    fault = from_reply(service, Reply(status, {"error": error}))
    return evolve(fault, usage=Usage())  # a gateway may have paid for it: unknown
