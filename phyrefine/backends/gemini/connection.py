"""Which service a Gemini client talks to: Google's API, Vertex AI, a proxy, or a client given."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from phyrefine._optional import require
from phyrefine._secrets import hide
from phyrefine.backends.calling.exceptions import MOST_REDIRECTS
from phyrefine.backends.calling.models import GEMINI_DEFAULT
from phyrefine.backends.calling.service import (
    Service,
    check_key,
    find_key,
    hide_headers,
    refuse_async,
)
from phyrefine.errors import AuthError, InvalidInputError

logger = logging.getLogger(__name__)

KEYS = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
ENDPOINT = "https://generativelanguage.googleapis.com"
VERTEX = "https://aiplatform.googleapis.com"
BILLING = "https://aistudio.google.com/usage"
VERTEX_SWITCHES = ("GOOGLE_GENAI_USE_ENTERPRISE", "GOOGLE_GENAI_USE_VERTEXAI")
VERTEX_KEYS = ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION")


@frozen
class Asked:
    """Arguments that say who is asked; see ``GeminiVLM``."""

    model: str | None = None
    api_key: str | None = None
    base_url: str | None = None
    api_version: str | None = None
    headers: Mapping[str, str] | None = None
    vertexai: bool | None = None
    project: str | None = None
    location: str | None = None
    http_client: Any = None
    client: Any = None


@frozen
class Connection:
    """A service and a way to reach it.

    Attributes:
        service: Who is asked.
        client: ``genai.Client``.
        usual: It is Google's own address.
        owned: The client is ours to close.
        vertex: It is Vertex AI, which has no Files API.
        uploads_to: Where bytes of uploads go, when the service is behind a proxy.
    """

    service: Service
    client: Any
    usual: bool
    owned: bool
    vertex: bool = False
    uploads_to: str | None = None


def connect(asked: Asked) -> Connection:
    """The connection that the arguments stand for.

    Raises:
        AuthError: No key, and no project of Vertex AI.
        InvalidInputError: An async client, or arguments that contradict it.
        MissingDependencyError: google-genai is not installed.
    """
    hide_headers(asked.headers)
    if callable(asked.api_key):
        raise InvalidInputError(
            "google-genai takes no function for api_key=. Use Vertex AI, whose credentials renew "
            "themselves (vertexai=True), or pass a client= of yours."
        )
    if asked.client is not None:
        return _given(asked)
    endpoint = asked.base_url or os.environ.get("GOOGLE_GEMINI_BASE_URL")
    model = asked.model or GEMINI_DEFAULT
    if uses_vertex(asked):
        return _vertex(asked, model, asked.base_url or os.environ.get("GOOGLE_VERTEX_BASE_URL"))
    key = find_key(asked.api_key, KEYS)
    address = "/".join(filter(None, ((endpoint or ENDPOINT).rstrip("/"), asked.api_version)))
    service = Service("gemini", "Gemini", model, address, KEYS, BILLING, _known(key))
    key = check_key(key, service)
    args = {} if asked.http_client is not None else {"max_redirects": MOST_REDIRECTS}
    client = _client({"api_key": key}, endpoint, asked, client_args=args)
    return Connection(service, client, endpoint is None, True, uploads_to=endpoint)


def uses_vertex(asked: Asked) -> bool:
    """Whether Vertex AI is asked for, by argument or by the variables the SDK documents."""
    if asked.vertexai is not None:
        return asked.vertexai
    said = [os.environ[name].lower() for name in VERTEX_SWITCHES if os.environ.get(name)]
    return bool(asked.project or asked.location) or (bool(said) and said[0] in ("true", "1"))


def _vertex(asked: Asked, model: str, endpoint: str | None) -> Connection:
    address = (endpoint or VERTEX).rstrip("/")
    service = Service("gemini", "Gemini on Vertex AI", model, address, VERTEX_KEYS,
                      secrets=_known(asked.api_key))  # fmt: skip
    hide(asked.api_key)
    # Named here, the SDK keeps them also beside base_url=.
    project, location = (
        value or (None if asked.api_key else os.environ.get(name))
        for value, name in zip((asked.project, asked.location), VERTEX_KEYS, strict=True)
    )
    who = {"vertexai": True, "api_key": asked.api_key, "project": project, "location": location}
    given = {name: value for name, value in who.items() if value is not None}
    try:
        client = _client(given, endpoint, asked)
    except Exception as error:
        if type(error).__name__ not in ("ValueError", "DefaultCredentialsError"):
            raise
        raise service.error(
            AuthError,
            f"Vertex AI needs a project and credentials ({service.words(error)}). Set "
            "GOOGLE_CLOUD_PROJECT and run 'gcloud auth application-default login', or pass "
            "project= and location=.",
        ) from error
    return Connection(service, client, False, True, vertex=True)


def _given(asked: Asked) -> Connection:
    """Around a client of the user's, which has its own address and key."""
    client = asked.client
    refuse_async(client, "google.genai.Client")
    inside = getattr(client, "_api_client", None)
    options = getattr(inside, "_http_options", None)
    vertex = bool(getattr(client, "vertexai", None) or getattr(inside, "vertexai", None))
    address = str(getattr(options, "base_url", None) or (VERTEX if vertex else ENDPOINT))
    address = address.rstrip("/")
    key = getattr(inside, "api_key", None)
    hide(key)
    _refuse_contradictions(asked, address, key)
    title = "Gemini on Vertex AI" if vertex else "Gemini"
    service = Service(
        "gemini", title, asked.model or GEMINI_DEFAULT, address,
        VERTEX_KEYS if vertex else KEYS, "" if vertex else BILLING, _known(key),
    )  # fmt: skip
    usual = address == ENDPOINT
    return Connection(service, client, usual, False, vertex, None if usual else address)


def _refuse_contradictions(asked: Asked, address: str, key: object) -> None:
    beside = {"headers": asked.headers, "vertexai": asked.vertexai, "project": asked.project,
              "location": asked.location, "http_client": asked.http_client}  # fmt: skip
    wrong = [name for name, value in beside.items() if value is not None]
    if asked.base_url is not None and asked.base_url.rstrip("/") != address:
        wrong.append("base_url")
    if wrong:
        raise InvalidInputError(
            f"{' and '.join(wrong)} cannot go beside client=, which has its own: give them to the "
            "client when you make it."
        )
    if asked.api_key is not None and asked.api_key != key:
        logger.warning("api_key= is not used: the client given has its own")


def _known(key: object) -> tuple[str, ...]:
    return (key,) if isinstance(key, str) and key else ()


def _client(
    who: Mapping[str, Any],
    base_url: str | None,
    asked: Asked,
    *,
    client_args: Mapping[str, Any] | None = None,
) -> Any:
    genai = require("google.genai", extra="gemini", feature="The Gemini backend")
    # No retry_options: the SDK then never retries, and the one retry layer is ours.
    options = {"base_url": base_url, "api_version": asked.api_version,
               "headers": dict(asked.headers) if asked.headers else None,
               "httpx_client": asked.http_client, "client_args": client_args or None}  # fmt: skip
    given = {name: value for name, value in options.items() if value is not None}
    return genai.Client(**who, http_options=given)
