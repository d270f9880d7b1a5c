"""HTTP on this machine only: what the loopback servers share, whatever they answer."""

from __future__ import annotations

import abc
import http.server
import threading
from io import BufferedIOBase
from typing import Self

from attrs import define, field

from phyrefine.backends.loopback.wire import Request, Sender


@define(eq=False)
class LocalServer(abc.ABC):
    """A server on 127.0.0.1, at a free port. Use it as a context manager.

    Attributes:
        requests: Everything that came in.
    """

    requests: list[Request] = field(factory=list, init=False)
    _server: http.server.ThreadingHTTPServer | None = field(default=None, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)

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
        """Base URL."""
        assert self._server is not None, "use the server as a context manager"
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @abc.abstractmethod
    def answer(self, request: Request) -> Sender:
        """The answer to one request."""


def _handler(server: LocalServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            if headers.get("transfer-encoding") == "chunked":
                body = _chunks(self.rfile)
            else:
                length = int(headers.get("content-length") or 0)
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


def _chunks(file: BufferedIOBase) -> bytes:
    parts = []
    while size := int(file.readline().strip() or b"0", 16):
        parts.append(file.read(size))
        file.readline()
    file.readline()
    return b"".join(parts)
