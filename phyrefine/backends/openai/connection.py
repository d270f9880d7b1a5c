"""Which server an OpenAI-style client talks to, by what it is given: name, address or client."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from phyrefine._optional import require
from phyrefine._secrets import hide
from phyrefine.backends.calling.exceptions import MOST_REDIRECTS
from phyrefine.backends.calling.models import OPENAI_DEFAULT, SERVERS, Server
from phyrefine.backends.calling.service import (
    Key,
    Service,
    check_key,
    find_key,
    hide_headers,
    refuse_async,
)
from phyrefine.errors import InvalidInputError

logger = logging.getLogger(__name__)

KEYS = ("OPENAI_API_KEY",)
AZURE_KEYS = ("AZURE_OPENAI_API_KEY",)
ENDPOINT = "https://api.openai.com/v1"
BILLING = "https://platform.openai.com/settings/organization/billing"
_OPENAI_HOSTS = ("api.openai.com", ".api.openai.com")
_AZURE_HOSTS = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")


@frozen
class Asked:
    """Arguments that say who is asked; see ``OpenAIVLM``."""

    model: str | None = None
    api_key: Key | None = None
    base_url: str | None = None
    headers: Mapping[str, str] | None = None
    organization: str | None = None
    project: str | None = None
    default_query: Mapping[str, Any] | None = None
    http_client: Any = None
    client: Any = None


@frozen
class Connection:
    """A server and a way to reach it.

    Attributes:
        service: Who is asked.
        client: ``openai.OpenAI`` or one like it.
        official: It speaks OpenAI's own dialect: OpenAI itself, or Azure.
        usual: It is OpenAI's own address.
        owned: The connections are ours to close.
        server: The known server, if it is one.
    """

    service: Service
    client: Any
    official: bool
    usual: bool
    owned: bool
    server: Server | None = None


def connect(asked: Asked) -> Connection:
    """The connection that the arguments stand for.

    Raises:
        AuthError: No key, where one is needed.
        InvalidInputError: An async client, or arguments that contradict it.
        MissingDependencyError: openai is not installed.
    """
    model, server = _server(asked.model or OPENAI_DEFAULT)
    hide_headers(asked.headers)
    if asked.client is not None:
        return _given(asked, model, server)
    usual = server.base_url if server is not None else os.environ.get("OPENAI_BASE_URL")
    address = (asked.base_url or usual or ENDPOINT).rstrip("/")
    own = (server.key,) if server is not None and server.key is not None else ()
    # A key meant for OpenAI goes to no named server, but to a base_url=, as in the SDK.
    keys = own if server is not None else KEYS
    key = find_key(asked.api_key, keys)
    service = _service(model, server, address, keys or KEYS, key if isinstance(key, str) else None)
    if address == ENDPOINT or own:
        key = check_key(key, service)
    client = _client(key or "none", address, asked)
    official = is_official(address)
    return Connection(
        service, client, official, address == ENDPOINT, asked.http_client is None, server
    )


def is_official(address: str) -> bool:
    """Whether OpenAI's own models answer there: at OpenAI, at a region of it, or at Azure."""
    host = Service("openai", "", "", address).host.rpartition("@")[2].partition(":")[0]
    return address == ENDPOINT or host.endswith((*_OPENAI_HOSTS, *_AZURE_HOSTS))


def _given(asked: Asked, model: str, server: Server | None) -> Connection:
    """Around a client of the user's, which has its own address and key."""
    client = asked.client
    refuse_async(client, "openai.OpenAI")
    address = str(client.base_url).rstrip("/")
    key = getattr(client, "api_key", None)
    _refuse_contradictions(asked, address, key)
    if isinstance(key, str):
        hide(key)
    is_azure = "Azure" in type(client).__name__
    keys = AZURE_KEYS if is_azure else (server.key,) if server and server.key else KEYS
    service = _service(model, server, address, keys, key if isinstance(key, str) else None,
                       is_azure=is_azure)  # fmt: skip
    # One retry layer, ours; the copy shares the connections.
    quiet = client.with_options(max_retries=0)
    return Connection(
        service, quiet, is_azure or is_official(address), address == ENDPOINT, False, server
    )


def _refuse_contradictions(asked: Asked, address: str, key: object) -> None:
    beside = {"headers": asked.headers, "organization": asked.organization,
              "project": asked.project, "default_query": asked.default_query,
              "http_client": asked.http_client}  # fmt: skip
    wrong = [name for name, value in beside.items() if value is not None]
    if asked.base_url is not None and asked.base_url.rstrip("/") != address:
        wrong.append("base_url")
    if asked.api_key is not None and asked.api_key != key:
        logger.warning("api_key= is not used: the client given has its own")
    if wrong:
        raise InvalidInputError(
            f"{' and '.join(wrong)} cannot go beside client=, which has its own: give them to the "
            "client when you make it."
        )


def _server(model: str) -> tuple[str, Server | None]:
    """``"ollama/llama3.2"`` is a model of a known server; others are names as they are."""
    prefix, slash, rest = model.partition("/")
    return (rest, SERVERS[prefix]) if slash and rest and prefix in SERVERS else (model, None)


def _service(
    model: str,
    server: Server | None,
    address: str,
    keys: tuple[str, ...],
    key: str | None,
    *,
    is_azure: bool = False,
) -> Service:
    usual = address == ENDPOINT
    azure = is_azure or (is_official(address) and "azure" in address)
    title = (
        server.title if server is not None else "OpenAI" if is_official(address) else "The server"
    )
    return Service(
        "openai", "Azure OpenAI" if azure else title, model, address, keys,
        BILLING if usual else "", secrets=(key,) if key else (), own_models=usual,
    )  # fmt: skip


def _client(key: Key, address: str, asked: Asked) -> Any:
    sdk = require("openai", extra="openai", feature="The OpenAI backend")
    # max_retries=0: the one retry layer is ours.
    return sdk.OpenAI(
        api_key=_hidden(key) if callable(key) else key,
        base_url=address,
        max_retries=0,
        default_headers=dict(asked.headers or {}),
        organization=asked.organization,
        project=asked.project,
        default_query=asked.default_query,
        http_client=asked.http_client or sdk.DefaultHttpx2Client(max_redirects=MOST_REDIRECTS),
    )


def _hidden(key: Callable[[], str]) -> Callable[[], str]:
    """A function that gives keys, each told to what keeps keys out of logs and records."""

    def fresh() -> str:
        value = key()
        hide(value)
        return value

    return fresh
