"""Imitations of hosted video services on 127.0.0.1: one function of (request, calls) each."""

from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from phyrefine.backends.loopback.wire import Request, Response, Sender
from phyrefine.video import Clip


class Clock:
    """A fake clock: sleeping takes no time."""

    def __init__(self) -> None:
        self.time = 0.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds


class Imitation:
    """A server whose every answer a function decides."""

    def __init__(self, answer: Callable[[Imitation, Request], Sender]) -> None:
        self.decide = answer
        self.requests: list[Request] = []
        self.state: dict[str, Any] = {}

    def count(self, method: str, part: str = "") -> int:
        return sum(r.method == method and part in r.path for r in self.requests)

    def __enter__(self) -> Self:
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, self.path, headers, body)
                outer.requests.append(request)
                outer.decide(outer, request).send(self)

            do_GET = do_POST = do_PUT = do_DELETE = _serve

            def log_message(self, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def moving(first: int, count: int, size: tuple[int, int] = (96, 160)) -> np.ndarray:
    """A square that moves over texture, frames ``first`` to ``first + count``."""
    texture = np.random.default_rng(5).integers(60, 120, (*size, 1)).astype(np.uint8)
    frames = np.repeat(np.repeat(texture, 3, axis=2)[None], count, axis=0)
    for index in range(count):
        column = int(3 * (first + index)) % (size[1] - 14)
        frames[index, 40:54, column : column + 14] = 220
    return frames


def video(frames: np.ndarray, fps: float = 24.0) -> bytes:
    return Clip(frames, fps).to_bytes("mp4", quality=12)


def continuation(request: Request, field: str, *, fps: float = 24.0, seconds: float = 5.0) -> bytes:
    """Prefix as received, then new frames: what a service that gives everything back sends."""
    found = json.loads(request.body)
    for part in field.split("."):
        found = found[int(part) if part.isdigit() else part]
    data = base64.b64decode(found.partition("base64,")[2] or found)
    prefix = Clip.from_bytes(data)
    new = moving(72, round(seconds * fps), prefix.size)
    return video(np.concatenate([prefix.frames, new]), fps)


def refused_html(_: Imitation, __: Request) -> Sender:
    return Response(b"<html>log in</html>", 200, kind="text/html")
