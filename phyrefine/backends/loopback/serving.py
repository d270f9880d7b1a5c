"""HTTP on this machine only: what the loopback servers share, whatever they answer."""

from __future__ import annotations

import abc
import http.server
import sys
import threading
from io import BufferedIOBase
from typing import Any, Self

from attrs import define, field

from phyrefine.backends.loopback.wire import Request, Sender


@define(eq=False)
class LocalServer(abc.ABC):
    """A server on 127.0.0.1. Use it as a context manager.

    Attributes:
        port: Port to listen on; 0 for a free one.
        most_bytes: Largest body of a request; larger ones are refused. ``None`` for any.
        requests: Everything that came in.
    """

    port: int = field(default=0, init=False)
    most_bytes: int | None = field(default=None, init=False)
    requests: list[Request] = field(factory=list, init=False)
    _server: http.server.ThreadingHTTPServer | None = field(default=None, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", self.port), _handler(self))
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
        """Base URL."""
        assert self._server is not None, "use the server as a context manager"
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @abc.abstractmethod
    def answer(self, request: Request) -> Sender:
        """The answer to one request."""


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no fault; anything else is told with its traceback."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(server: LocalServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            if headers.get("transfer-encoding") == "chunked" and server.most_bytes is None:
                body = _chunks(self.rfile)
            else:
                length = _length(headers.get("content-length") or "0")
                if length is None or length > (server.most_bytes or length):
                    self.close_connection = True  # what follows is not read
                    self.send_error(400 if length is None else 413)
                    return
                body = self.rfile.read(length)
                if len(body) < length:  # the client was killed
                    self.close_connection = True
                    return
            request = Request(self.command, self.path.partition("?")[0], headers, body)
            try:
                server.answer(request).send(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        do_GET = do_POST = do_DELETE = do_PUT = _serve  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited
            """Keep quiet."""

    return Handler


def _length(said: str) -> int | None:
    return int(said) if said.isascii() and said.isdigit() else None


def _chunks(file: BufferedIOBase) -> bytes:
    parts = []
    while size := int(file.readline().strip() or b"0", 16):
        parts.append(file.read(size))
        file.readline()
    file.readline()
    return b"".join(parts)
