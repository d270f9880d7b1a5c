"""The server itself: requests in, the right dialect's answer out."""

from __future__ import annotations

import re
from collections.abc import Callable

from attrs import define, field

from phyrefine.backends.loopback import gemini, openai
from phyrefine.backends.loopback.serving import LocalServer
from phyrefine.backends.loopback.wire import Asked, Request, Response, Sender, StoredFile

ROUTES: tuple[tuple[str, str, Callable[..., Sender]], ...] = (*gemini.ROUTES, *openai.ROUTES)


@define(eq=False)
class Loopback(LocalServer):
    """The server; its ``url`` is for Gemini's SDK. Use it as a context manager.

    Attributes:
        reply: Answers a question in words.
        interfere: Sees every request first; gives another answer than the regular one, or
            ``None``.
        processing_polls: Polls during which a new file stays in processing.
        failed: Why every new file fails, or ``None``.
        files: Files by name; deleted ones are gone.
    """

    reply: Callable[[Asked], str]
    interfere: Callable[[Request], Sender | None] = lambda _: None
    processing_polls: int = 0
    failed: str | None = None
    files: dict[str, StoredFile] = field(factory=dict)

    @property
    def openai_url(self) -> str:
        """Base URL for OpenAI's SDK."""
        return f"{self.url}/v1"

    @property
    def alive(self) -> list[str]:
        """Names of files that were uploaded and not deleted."""
        return [name for name, file in self.files.items() if file.state != "UPLOADING"]

    def answer(self, request: Request) -> Sender:
        """The answer to one request."""
        with self._lock:
            self.requests.append(request)
        other = self.interfere(request)
        if other is not None:
            return other
        for method, pattern, route in ROUTES:
            found = re.fullmatch(pattern, request.path)
            if found and method == request.method:
                return route(self, request, *found.groups())
        return Response({"error": {"code": 404, "message": f"no {request.path}"}}, 404)
