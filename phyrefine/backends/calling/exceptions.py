"""What a foreign exception means: of an SDK, its HTTP library or the sockets below.

They are told apart by module and class name, not by importing the HTTP library an SDK happens to
stand on: it changed from httpx to httpx2 within one major version.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

from phyrefine.backends.calling.faults import cut_answer, empty_answer, not_an_answer
from phyrefine.backends.calling.policy import Fault, OverdueError
from phyrefine.backends.calling.service import Service
from phyrefine.errors import AuthError, BackendTimeoutError, ConnectionFaultError, ServerFaultError

UNREACHABLE_RETRIES = 2
# Redirects that our own clients follow; the HTTP libraries' 20 are 20 requests for nothing.
MOST_REDIRECTS = 3


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
    if "TooManyRedirects" in names:
        return _circle(service)
    if names & {"DefaultCredentialsError", "RefreshError", "GoogleAuthError"}:
        return _no_credentials(service, raised)
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
    if "\ufffd" in text:
        return cut_answer(service, "bytes that are no UTF-8")
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


def _no_credentials(service: Service, raised: BaseException) -> Fault:
    message = (
        f"{service.title} got no usable credentials ({service.words(raised)}). Run 'gcloud auth "
        f"application-default login', or set {' and '.join(service.keys) or 'the key'}."
    )
    return Fault(service.error(AuthError, message), retries=0, sent=False)


def _circle(service: Service) -> Fault:
    message = (
        f"{service.endpoint} redirects in a circle. Check base_url=, and the proxy settings if it "
        "is right."
    )
    return Fault(service.error(ConnectionFaultError, message), retries=0)
