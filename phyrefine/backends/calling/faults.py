"""What went wrong, as an error that says what to do and whether to try again.

Foreign exceptions are told apart by module and class name, not by importing the HTTP library an
SDK happens to stand on: it changed from httpx to httpx2 within one major version.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve, frozen

from phyrefine.backends.calling.hints import error_details, wait_hint
from phyrefine.backends.calling.models import alternatives
from phyrefine.backends.calling.policy import Fault, OverdueError
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

UNREACHABLE_RETRIES = 2
QUOTA_CODES = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "quota_exceeded"}
)
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
_BLOCKED = re.compile(r"content.?(filter|policy|management)|safety system|flagged", re.IGNORECASE)


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
        """The server's words."""
        said = self.error.get("message") or self.error.get("detail") or self.body or ""
        return said if isinstance(said, str) else json.dumps(said, default=str)

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


def from_reply(service: Service, reply: Reply) -> Fault:
    """The fault behind an error answer; services do not bill what they reject."""
    for rule in (_quota, _access, _limits, _size, _blocked, _missing, _server):
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
    if not (reply.status == 402 or named or reply.daily_quota or billing):
        return None
    which = f"quota {reply.daily_quota}" if reply.daily_quota else "quota or credit"
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


def _limits(service: Service, reply: Reply) -> Fault | None:
    exhausted = reply.status == 503 and "RESOURCE_EXHAUSTED" in (
        reply.code,
        reply.error.get("status"),
    )
    if reply.status == 429 or exhausted:
        return _fault(service, reply, RateLimitedError, f"limits the rate of {service.model}")
    return None


def _size(service: Service, reply: Reply) -> Fault | None:
    wide = reply.status in (400, 422, 500) and _TOO_LONG.search(reply.message)
    if reply.status != 413 and not wide and reply.code != "context_length_exceeded":
        return None
    return _fault(
        service, reply, ContextTooLongError, f"finds the request too large for {service.model}",
        do="Send fewer or smaller frames, or a shorter text.", retries=1, change="smaller",
    )  # fmt: skip


def _blocked(service: Service, reply: Reply) -> Fault | None:
    if reply.status != 400 or not _BLOCKED.search(f"{reply.code} {reply.message}"):
        return None
    fault = _fault(service, reply, BlockedError, "blocked the prompt", retries=0)
    fault.error.where = "prompt"  # type: ignore[attr-defined]
    return fault


def _missing(service: Service, reply: Reply) -> Fault | None:
    if reply.status != 404:
        return None
    near = alternatives(service.provider, service.model)
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


# -- foreign exceptions ------------------------------------------------------------------------


def from_exception(service: Service, raised: BaseException) -> Fault:
    """The fault behind any exception of an SDK, its HTTP library or the sockets below."""
    for link in _chain(raised):
        names = {kind.__name__ for kind in type(link).__mro__}
        if isinstance(link, json.JSONDecodeError):
            return _not_json(service, link)
        if isinstance(link, UnicodeDecodeError):
            return cut_answer(service, "bytes that are no UTF-8")
        if isinstance(link, ConnectionRefusedError | socket.gaierror) or "ConnectError" in names:
            return _unreachable(service, link)
    names = {kind.__name__ for link in _chain(raised) for kind in type(link).__mro__}
    if isinstance(raised, OverdueError) or any("Timeout" in name for name in names):
        return _no_answer(service)
    if names & {"TransportError", "ClientError", "OSError", "APIConnectionError", "HTTPError"}:
        message = f"{service.host} hung up ({service.words(raised) or type(raised).__name__})."
        error = service.error(ConnectionFaultError, message)
        return Fault(error, at_once=True, unwell=True)
    message = (
        f"{service.title}'s SDK failed in an unexpected way "
        f"({type(raised).__name__}: {service.words(raised)})."
    )
    return Fault(service.error(ServerFaultError, message), retries=1)


def _chain(raised: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = raised
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def _not_json(service: Service, error: json.JSONDecodeError) -> Fault:
    text = error.doc.lstrip("\ufeff \r\n\t")
    if not text:
        return empty_answer(service)
    if text.startswith("<"):
        return not_an_answer(service, text)
    if not text.startswith(("{", "[")):
        return not_an_answer(service, text, "no JSON")
    return cut_answer(service, f"broken JSON, {len(text)} characters")


def _unreachable(service: Service, link: BaseException) -> Fault:
    message = (
        f"Cannot reach {service.host} ({service.words(link) or type(link).__name__}). Is the "
        "server running, the address right, and a proxy set if you need one?"
    )
    error = service.error(ConnectionFaultError, message)
    return Fault(error, retries=UNREACHABLE_RETRIES, sent=False, unwell=True)


def _no_answer(service: Service) -> Fault:
    message = f"{service.host} did not answer in time. Raise timeout=, or try later."
    return Fault(service.error(BackendTimeoutError, message), unwell=True)
