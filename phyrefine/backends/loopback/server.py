"""The server itself: requests in, the right dialect's answer out."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Callable
from typing import Self

from attrs import define, field

from phyrefine.backends.loopback import gemini, openai
from phyrefine.backends.loopback.wire import Asked, Request, Response, Sender, StoredFile

ROUTES: tuple[tuple[str, str, Callable[..., Sender]], ...] = (*gemini.ROUTES, *openai.ROUTES)


@define(eq=False)
class Loopback:
    """The server. Use it as a context manager.

    Attributes:
        reply: Answers a question in words.
        interfere: Sees every request first; gives another answer than the regular one, or
            ``None``.
        processing_polls: Polls during which a new file stays in processing.
        failed: Why every new file fails, or ``None``.
        requests: Everything that came in.
        files: Files by name; deleted ones are gone.
    """

    reply: Callable[[Asked], str]
    interfere: Callable[[Request], Sender | None] = lambda _: None
    processing_polls: int = 0
    failed: str | None = None
    requests: list[Request] = field(factory=list)
    files: dict[str, StoredFile] = field(factory=dict)
    _server: http.server.ThreadingHTTPServer | None = None
    _lock: threading.Lock = field(factory=threading.Lock)

    def __enter__(self) -> Self:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Base URL for Gemini's SDK."""
        assert self._server is not None, "use the server as a context manager"
        return f"http://127.0.0.1:{self._server.server_address[1]}"

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


def _handler(server: Loopback) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            path = self.path.partition("?")[0]
            body = self.rfile.read(length)
            if len(body) < length:  # the client was killed
                self.close_connection = True
                return
            request = Request(self.command, path, headers, body)
            try:
                server.answer(request).send(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - the names http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited
            """Keep quiet."""

    return Handler
