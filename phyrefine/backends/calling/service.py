"""Who is being talked to: the facts that every message about a service needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from attrs import field, frozen

from phyrefine._secrets import hide, is_secret_name, scrub
from phyrefine.backends.calling.excerpt import excerpt
from phyrefine.errors import AuthError, BackendError, InvalidInputError

Key = str | Callable[[], str]


def _shown_address(url: str) -> str:
    parts = urlsplit(url)
    hide(parts.password)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
    return urlunsplit(bare)


@frozen
class Service:
    """A model at an endpoint.

    Attributes:
        provider: Registry name.
        title: Name for people, for example ``"Gemini"``.
        model: Model asked for.
        endpoint: Base URL, with the API version where there is one; user info and query, where
            keys may stand, are left out.
        keys: Environment variables that may hold the key.
        billing: Page where quota and credit are seen.
        secrets: Values that must never be shown.
        own_models: The models there are the provider's own, so that others can be suggested.
    """

    provider: str
    title: str
    model: str
    endpoint: str = field(converter=_shown_address)
    keys: tuple[str, ...] = ()
    billing: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    own_models: bool = True

    @property
    def host(self) -> str:
        """Host and port."""
        return urlsplit(self.endpoint).netloc or self.endpoint

    @property
    def key_help(self) -> str:
        """What to do about a key."""
        return f"Set {' or '.join(self.keys) or 'the key'}, or pass api_key=."

    def words(self, text: object) -> str:
        """Foreign text fit for a message."""
        return excerpt(scrub(str(text)), self.secrets)

    def error(self, kind: type[BackendError], message: str, **details: Any) -> BackendError:
        """An error of this service."""
        return kind(message, provider=self.provider, model=self.model, **details)


def find_key(api_key: Key | None, names: tuple[str, ...]) -> Key | None:
    """The key given, or the first of the variables ``names`` that is set; functions stay."""
    if callable(api_key):
        return api_key
    given = (api_key, *(os.environ.get(name) for name in names))
    key = next((key.strip() for key in given if key and key.strip()), None)
    hide(key)
    return key


def refuse_async(client: object, wanted: str) -> None:
    """See that a client given is not one whose calls must be awaited.

    Raises:
        InvalidInputError: It is.
    """
    name = type(client).__name__
    if name.startswith("Async"):
        raise InvalidInputError(
            f"client= must be a synchronous client such as {wanted}, not {name}: phyrefine calls "
            "services from threads of its own."
        )


def hide_headers(headers: Mapping[str, str] | None) -> None:
    """Never show headers whose names say that they hold a key."""
    for name, value in (headers or {}).items():
        if is_secret_name(name):
            for word in value.split():  # "Bearer KEY"
                hide(word)


def check_key(key: Key | None, service: Service) -> Key:
    """``key``, if a request could carry it.

    Raises:
        AuthError: It is missing, or holds characters no key has.
    """
    if not key:
        raise service.error(AuthError, f"{service.title} needs an API key. {service.key_help}")
    if callable(key):
        return key
    if not key.isascii() or not key.isprintable() or " " in key:
        raise service.error(
            AuthError,
            f"The {service.title} API key holds characters that no key has (spaces, line breaks "
            f"or non-ASCII). {service.key_help}",
        )
    return key
