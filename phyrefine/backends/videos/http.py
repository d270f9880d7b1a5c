"""HTTP for video services: keys go to the service alone, and what comes back is bounded."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from attrs import define, field, frozen

from phyrefine._json import parse_json
from phyrefine._optional import require
from phyrefine.backends.calling.service import Service
from phyrefine.backends.videos.api import Call
from phyrefine.errors import BackendError, GenerationError

MOST_REDIRECTS = 3
MEBIBYTE = 1 << 20


@frozen
class Limits:
    """What a download may be.

    Attributes:
        bytes: Largest answer.
        seconds: Longest time of one request.
    """

    bytes: int = 512 * MEBIBYTE
    seconds: float = 300.0


@frozen
class Answer:
    """One HTTP answer, read whole.

    Attributes:
        status: HTTP status.
        headers: With lower-case names.
        data: The body.
    """

    status: int
    headers: Mapping[str, str]
    data: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The body as JSON; ``None`` when it is none."""
        try:
            return parse_json(self.data)
        except ValueError:
            return None

    @property
    def text(self) -> str:
        """The beginning of the body, for messages."""
        return self.data[:2000].decode("utf-8", "replace")


@define(eq=False)
class Http:
    """Sends calls to one service.

    Attributes:
        service: Whom messages name.
        base_url: What paths are below.
        headers: With the key; only for the service's own hosts.
        hosts: Hosts that may see the key.
        limits: What an answer may be.
        client: An ``httpx2.Client`` of one's own; else one is made and closed here.
    """

    service: Service
    base_url: str
    headers: Callable[[], Mapping[str, str]]
    hosts: frozenset[str]
    limits: Limits = field(factory=Limits)
    client: Any = None
    _own: Any = field(default=None, init=False)

    def send(self, call: Call, *, seconds: float | None = None) -> Answer:
        """Send a call and read its answer.

        Args:
            call: What to send.
            seconds: Longest time; by default the limit.

        Raises:
            GenerationError: A redirect or an address that is not allowed, or a body too large.
            Exception: What the HTTP library raises when the service cannot be reached.
        """
        url = self._url(call.path)
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._once(call, url, min(seconds or self.limits.seconds, self.limits.seconds))
            target = answer.headers.get("location")
            if answer.status not in (301, 302, 303, 307, 308) or not target:
                return answer
            if call.method != "GET":
                raise self._error("answered a submission with a redirect, which is not followed")
            url = self._allowed(urljoin(url, target), before=url)
        raise self._error(f"redirected more than {MOST_REDIRECTS} times")

    def close(self) -> None:
        """Close the client that was made here."""
        if self._own is not None:
            self._own.close()
            self._own = None

    def _url(self, path: str) -> str:
        if "://" in path:
            return self._allowed(path, before=self.base_url)
        return self.base_url.rstrip("/") + path

    def _allowed(self, url: str, *, before: str) -> str:
        old, new = urlsplit(before), urlsplit(url)
        if new.scheme not in ("http", "https"):
            raise self._error(f"gave an address that is no web address ({new.scheme}:)")
        downgrade = old.scheme == "https" and new.scheme == "http"
        if downgrade or (new.scheme == "http" and new.netloc != urlsplit(self.base_url).netloc):
            raise self._error(f"gave an unencrypted address on {new.hostname}")
        return url

    def _once(self, call: Call, url: str, seconds: float) -> Answer:
        client = self.client or self._made()
        own = self._is_own(urlsplit(url).netloc)
        # What a user's client adds by itself is his own matter; our key goes nowhere else.
        body: dict[str, Any] = {}
        if call.json is not None:
            body["json"] = call.json
        if call.files or call.form:
            body["data"] = {name: _text(value) for name, value in call.form.items()}
            body["files"] = dict(call.files)
            if not call.files:  # always multipart: servers read these fields as a form
                body["files"] = {name: (None, _text(v)) for name, v in call.form.items()}
                del body["data"]
        with client.stream(
            call.method,
            url,
            headers=dict(self.headers()) if own else {},
            timeout=seconds,
            follow_redirects=False,
            **body,
        ) as response:
            data = self._read(response)
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, headers, data)

    def _is_own(self, netloc: str) -> bool:
        """Whether the key may go there; ``.example.com`` stands for all hosts below it."""
        return any(
            netloc.endswith(host) if host.startswith(".") else netloc == host for host in self.hosts
        )

    def _read(self, response: Any) -> bytes:
        parts, size = [], 0
        for part in response.iter_bytes():
            size += len(part)
            if size > self.limits.bytes:
                most = self.limits.bytes // MEBIBYTE
                raise self._error(f"sent more than {most} MiB, and the download was stopped")
            parts.append(part)
        said = response.headers.get("content-length", "")
        encoded = response.headers.get("content-encoding")
        if said.isdigit() and not encoded and size < int(said):
            raise self._error(f"sent {size} of {said} bytes")
        return b"".join(parts)

    def _made(self) -> Any:
        if self._own is None:
            httpx2 = require("httpx2", extra="videos", feature="Video services")
            self._own = httpx2.Client()
            weakref.finalize(self, self._own.close)
        return self._own

    def _error(self, what: str) -> BackendError:
        return self.service.error(GenerationError, f"{self.service.title} {what}.")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, dict | list) else str(value)
